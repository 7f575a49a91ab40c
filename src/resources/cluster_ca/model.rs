//! The attributes of `mesh_cluster_ca`.

use crate::{mesh::Namespace, resources::authority::DEFAULT_ORGANIZATION};
use framework::{Datum, Timeouts, Value, computed, model, optional, required};

/// The attributes whose change issues a new intermediate.
const REISSUED_BY: &[&str] =
    &["root_ca", "root_certificate", "root_private_key_wo_version", "common_name", "organization", "validity_days", "drift"];

model! {
    /// The root that signs: the attributes of a `mesh_root_ca`.
    pub struct RootCaRef {
        /// Cluster of the root's Secret.
        cluster: String => required(),
        /// Namespace of the root's Secret.
        namespace: String => required(),
        /// Name of the root's Secret.
        name: String => required(),
        /// SHA-256 fingerprint of the root's certificate. If it changes, a new intermediate is issued.
        fingerprint: String => required(),
    }
}

model! {
    /// The certificate authority of one cluster: an intermediate, signed by the mesh's root, in the Secret `cacerts` that istiod reads.
    /// Clusters whose intermediates have the same root trust each other's workloads.
    ///
    /// The root is a `mesh_root_ca`, or one of your own by `root_certificate` and the write-only `root_private_key_wo`. The
    /// intermediate is renewed by the first apply within `renew_before_days` of its end.
    pub struct ClusterCaModel {
        /// Key of the cluster in the provider's `clusters`, for example `us`.
        cluster: String => required().replaces(),
        /// Namespace of istiod. It is created if it doesn't exist, and deleted with the last resource of this provider in it.
        namespace: String => optional().default(Namespace::ISTIO_SYSTEM).replaces(),
        /// The root that signs: `root_ca = mesh_root_ca.mesh`.
        root_ca: RootCaRef => optional(),
        /// Instead of `root_ca`: your own root certificate, in PEM.
        root_certificate: String => optional(),
        /// Private key of `root_certificate`, in PEM. It is read from the configuration only, and is in no plan or state.
        root_private_key_wo: String => optional().sensitive().write_only(),
        /// Version of `root_private_key_wo`. Increase it when the key changes, because the CLI can't compare write-only values.
        root_private_key_wo_version: i64 => optional(),
        /// Common name of the certificate's subject, 1 to 64 characters. Defaults to `Istio CA of CLUSTER`.
        common_name: String => optional(),
        /// Organization of the certificate's subject, 1 to 64 characters.
        organization: String => optional().default(DEFAULT_ORGANIZATION),
        /// Validity of an intermediate in days from its issue: 1 to 36500, but never beyond the root's end.
        validity_days: i64 => optional().default(730),
        /// How many days before its end an apply renews the intermediate: at least 1 and less than `validity_days`. An intermediate is
        /// never renewed before the last third of its life.
        renew_before_days: i64 => optional().default(60),
        /// The intermediate's certificate, in PEM.
        certificate: String => computed().kept_unless(REISSUED_BY),
        /// SHA-256 fingerprint of the intermediate's certificate, in lower-case hexadecimal.
        fingerprint: String => computed().kept_unless(REISSUED_BY),
        /// SHA-256 fingerprint of the root's certificate, in lower-case hexadecimal; the same in all clusters of a mesh.
        root_fingerprint: String => computed().kept_unless(&["root_ca", "root_certificate", "drift"]),
        /// When the intermediate expires, in RFC 3339 and UTC, for example `2028-01-01T00:00:00Z`.
        expires_at: String => computed().kept_unless(REISSUED_BY),
        /// Differences between the cluster and the last applied configuration, one string each. The next apply reverts them.
        drift: Vec<Value<String>> => computed().settled(Datum::List(vec![])),
        /// How long each operation may take.
        timeouts: Timeouts => optional(),
    }
}
