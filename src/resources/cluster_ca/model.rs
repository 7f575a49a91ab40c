//! The attributes of `mesh_cluster_ca`.

use crate::{
    data::KeyAlgorithm,
    mesh::Namespace,
    resources::authority::{DEFAULT_ORGANIZATION, LONGEST_DAYS},
};
use framework::{Datum, Timeouts, Value, computed, model, optional, required};

/// The attributes whose change issues or installs another intermediate.
const REISSUED_BY: &[&str] = &[
    "root_ca",
    "root_certificate",
    "root_private_key_wo_version",
    "intermediate_certificate",
    "intermediate_private_key_wo_version",
    "external",
    "common_name",
    "organization",
    "validity_days",
    "key_algorithm",
    "drift",
];

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
    /// The signing request whose key the intermediate has: the attributes of a `mesh_cluster_ca_request`.
    pub struct CaRequestRef {
        /// Cluster of the key's Secret, which must be this one.
        cluster: String => required(),
        /// Namespace of the key's Secret.
        namespace: String => required(),
        /// Name of the key's Secret.
        name: String => required(),
        /// The signing request, in PEM.
        certificate_request: String => required(),
    }
}

model! {
    /// The certificate authority of one cluster: an intermediate, signed by the mesh's root, in the Secret `cacerts` that istiod reads.
    /// Clusters whose intermediates have the same root trust each other's workloads.
    ///
    /// The intermediate is
    ///
    /// * issued by a `mesh_root_ca`: set `root_ca`;
    /// * issued by a root of your own: set `root_certificate` and `root_private_key_wo`;
    /// * ready-made: set `intermediate_certificate`, `intermediate_private_key_wo`, `intermediate_chain` and `root_certificate`;
    /// * signed elsewhere for a key that never leaves the cluster: set `request`, `intermediate_certificate`, `intermediate_chain` and
    ///   `root_certificate`;
    /// * written by something else, such as External Secrets or cert-manager: set `external`.
    ///
    /// Nothing is written that istiod or a workload would refuse: the certificates are verified up to the root, in the plan as far as they
    /// are known. An issued intermediate is renewed by the first apply within `renew_before_days` of its end. A ready-made or external one
    /// can't be: a plan warns `warn_before_days` before.
    pub struct ClusterCaModel {
        /// Key of the cluster in the provider's `clusters`, for example `us`.
        cluster: String => required().replaces(),
        /// Namespace of istiod. It is created if it doesn't exist, and deleted with the last resource of this provider in it.
        namespace: String => optional().default(Namespace::ISTIO_SYSTEM).replaces(),
        /// The root that signs: `root_ca = mesh_root_ca.mesh`.
        root_ca: RootCaRef => optional(),
        /// Instead of `root_ca`: your own root certificate, in PEM. Workloads trust it. Several roots may follow each other; the one that
        /// `root_private_key_wo` belongs to signs.
        root_certificate: String => optional().conflicts_with(&["root_ca"]),
        /// Private key of `root_certificate`, in PEM without a passphrase. It is read from the configuration only, and is in no plan or state.
        root_private_key_wo: String => optional().sensitive().write_only(),
        /// Version of `root_private_key_wo`. Increase it when the key changes, because the CLI can't compare write-only values.
        root_private_key_wo_version: i64 => optional(),
        /// A ready-made intermediate, in PEM: the CA that istiod signs with. `root_certificate` is the root that it leads to.
        intermediate_certificate: String => optional(),
        /// Private key of `intermediate_certificate`, in PEM without a passphrase. It is read from the configuration only, and is in no plan or state.
        intermediate_private_key_wo: String => optional().sensitive().write_only(),
        /// Version of `intermediate_private_key_wo`. Increase it when the key changes, because the CLI can't compare write-only values.
        intermediate_private_key_wo_version: i64 => optional(),
        /// The signing request that `intermediate_certificate` is for: `request = mesh_cluster_ca_request.eu`. Its key is taken instead of
        /// `intermediate_private_key_wo`, inside the cluster.
        request: CaRequestRef => optional().conflicts_with(&["intermediate_private_key_wo"]),
        /// The CAs between `intermediate_certificate` and `root_certificate`, in PEM, if any.
        intermediate_chain: String => optional(),
        /// Further roots that workloads trust, each in PEM, for example `[mesh_root_ca.next.certificate]`. A root is replaced without a failed
        /// call if every cluster trusts the next one first, and the old one until no workload has a certificate of it any more.
        trusted_roots: Vec<Value<String>> => optional(),
        /// Whether another root may sign, or a trusted root be dropped, although workloads may still depend on the old one. Calls between them
        /// then fail until all have new certificates. Defaults to `false`.
        force_root_change: bool => optional(),
        /// Whether something else writes the Secret. It is then only verified, and never changed or deleted; `root_certificate`, if set, is
        /// the root that it has to lead to. Defaults to `false`.
        external: bool => optional(),
        /// Common name of an issued certificate's subject. Defaults to `Istio CA of CLUSTER`.
        common_name: String => optional().length(1, 64),
        /// Organization of an issued certificate's subject.
        organization: String => optional().default(DEFAULT_ORGANIZATION).length(1, 64),
        /// Validity of an issued intermediate in days from its issue, but never beyond the root's end.
        validity_days: i64 => optional().default(730).between(1, LONGEST_DAYS),
        /// How many days before its end an apply renews an issued intermediate, less than `validity_days`. An intermediate is
        /// never renewed before the last third of its life.
        renew_before_days: i64 => optional().default(super::RENEW_BEFORE_DAYS).between(1, LONGEST_DAYS),
        /// How many days before the end of a certificate that the provider can't renew itself plans warn: a root of your own, a ready-made
        /// or external intermediate, and its chain. Defaults to 90.
        warn_before_days: i64 => optional().between(1, LONGEST_DAYS),
        /// The algorithm of an issued intermediate's key. Defaults to `ECDSA-P256`.
        key_algorithm: String => optional().one_of(KeyAlgorithm::ALL.map(KeyAlgorithm::name)),
        /// The intermediate's certificate, in PEM.
        certificate: String => computed().kept_unless(REISSUED_BY),
        /// SHA-256 fingerprint of the intermediate's certificate, in lower-case hexadecimal.
        fingerprint: String => computed().kept_unless(REISSUED_BY),
        /// SHA-256 fingerprint of the root's certificate, or of the first of several, in lower-case hexadecimal; the same in all clusters of a
        /// mesh.
        root_fingerprint: String => computed().kept_unless(&["root_ca", "root_certificate", "external", "drift"]),
        /// SHA-256 fingerprints of the further roots that workloads trust, in the order in which the Secret has them. Null if there are none.
        trusted_fingerprints: Vec<Value<String>> => computed().kept_unless(&["root_ca", "root_certificate", "trusted_roots", "external", "drift"]),
        /// When the intermediate expires, in RFC 3339 and UTC, for example `2028-01-01T00:00:00Z`.
        expires_at: String => computed().kept_unless(REISSUED_BY),
        /// Differences between the cluster and the last applied configuration, one string each. The next apply reverts them.
        drift: Vec<Value<String>> => computed().settled(Datum::List(vec![])),
        /// How long each operation may take.
        timeouts: Timeouts => optional(),
    }
}
