//! The attributes of `mesh_cluster_ca`.

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
        /// SHA-256 of the root's certificate; a change of it issues a new intermediate.
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
        /// Key of the cluster in the provider's `clusters`.
        cluster: String => required().replaces(),
        /// Namespace of istiod. It is made if it doesn't exist, and removed again with the last resource of this provider in it.
        namespace: String => optional().default("istio-system").replaces(),
        /// The root that signs: `root_ca = mesh_root_ca.mesh`.
        root_ca: RootCaRef => optional(),
        /// Instead of `root_ca`: your own root certificate, PEM.
        root_certificate: String => optional(),
        /// The private key of `root_certificate`, PEM. Reaches the provider from the configuration only, and is in no plan or state.
        root_private_key_wo: String => optional().sensitive().write_only(),
        /// Raise it when `root_private_key_wo` changes: the CLI can't see that by itself.
        root_private_key_wo_version: i64 => optional(),
        /// Common name of the certificate's subject; `Istio CA of CLUSTER` if left out.
        common_name: String => optional(),
        /// Organization of the certificate's subject.
        organization: String => optional().default("Istio mesh"),
        /// How long an intermediate is valid, in days from its issue; never longer than the root.
        validity_days: i64 => optional().default(730),
        /// How many days before its end an apply renews the intermediate; in the last third of its life at the earliest.
        renew_before_days: i64 => optional().default(60),
        /// The intermediate's certificate, PEM.
        certificate: String => computed().kept_unless(REISSUED_BY),
        /// SHA-256 of the intermediate's certificate, lower-case hexadecimal.
        fingerprint: String => computed().kept_unless(REISSUED_BY),
        /// SHA-256 of the root's certificate, lower-case hexadecimal. The same in all clusters of a mesh.
        root_fingerprint: String => computed().kept_unless(&["root_ca", "root_certificate", "drift"]),
        /// When the intermediate expires, RFC 3339 in UTC.
        expires_at: String => computed().kept_unless(REISSUED_BY),
        /// What differs in the cluster from what was applied.
        drift: Vec<Value<String>> => computed().settled(Datum::List(vec![])),
        /// How long each operation may take.
        timeouts: Timeouts => optional(),
    }
}
