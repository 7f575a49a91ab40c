//! The attributes of `mesh_root_ca`.

use crate::{
    mesh::Namespace,
    resources::authority::{DEFAULT_ORGANIZATION, LONGEST_DAYS},
};
use framework::{Datum, Timeouts, Value, computed, model, optional, required};

/// The attributes whose change makes another certificate the root.
const REPLACED_BY: &[&str] = &["rotation", "existing_certificate"];

model! {
    /// The root certificate authority that all clusters of a mesh trust. Its private key stays in a Secret of one cluster: neither the
    /// state nor a plan ever holds it. Every `mesh_cluster_ca` is signed by it.
    ///
    /// A root in place is never replaced by accident: the subject and the validity describe the next root, which a change of `rotation`
    /// creates. A new root changes the trust of the whole mesh, and calls between clusters fail until every `mesh_cluster_ca` and every
    /// workload has a certificate that it signed. A change of `cluster`, `namespace` or `name` moves the Secret.
    pub struct RootCaModel {
        /// Key of the cluster, in the provider's `clusters`, whose Secret holds the root, for example `us`.
        cluster: String => required(),
        /// Namespace of the Secret. It is created if it doesn't exist, and deleted with the last resource of this provider in it.
        namespace: String => optional().default(Namespace::ISTIO_SYSTEM),
        /// Name of the Secret.
        name: String => optional().default("mesh-root-ca"),
        /// Common name of the next root's subject.
        common_name: String => optional().default("Mesh root CA").length(1, 64),
        /// Organization of the next root's subject.
        organization: String => optional().default(DEFAULT_ORGANIZATION).length(1, 64),
        /// Validity of the next root in days from its creation.
        validity_days: i64 => optional().default(3650).between(1, LONGEST_DAYS),
        /// A change of this number, such as from 1 to 2, replaces the root by a new one.
        rotation: i64 => optional(),
        /// Instead of a new root: one that exists already, in PEM, such as a backup or a root of your own.
        existing_certificate: String => optional(),
        /// Private key of `existing_certificate`, in PEM without a passphrase. It is read from the configuration only, and is in no plan or state.
        existing_private_key_wo: String => optional().sensitive().write_only().requires(&["existing_certificate"]),
        /// Version of `existing_private_key_wo`. Increase it when the key changes, because the CLI can't compare write-only values.
        existing_private_key_wo_version: i64 => optional(),
        /// How many days before the root's end plans warn. Defaults to 365.
        warn_before_days: i64 => optional().between(1, LONGEST_DAYS),
        /// The certificate, in PEM.
        certificate: String => computed().kept_unless(REPLACED_BY),
        /// SHA-256 fingerprint of the certificate, in lower-case hexadecimal.
        fingerprint: String => computed().kept_unless(REPLACED_BY),
        /// When the certificate expires, in RFC 3339 and UTC, for example `2036-01-01T00:00:00Z`.
        expires_at: String => computed().kept_unless(REPLACED_BY),
        /// Differences between the cluster and the last applied configuration, one string each. The next apply reverts them.
        drift: Vec<Value<String>> => computed().settled(Datum::List(vec![])),
        /// How long each operation may take.
        timeouts: Timeouts => optional(),
    }
}
