//! The attributes of `mesh_cluster`.

use crate::world::same_values;
use framework::{Datum, Timeouts, Value, computed, model, optional, required};

model! {
    /// The cluster's CA: the attributes of a `mesh_cluster_ca`.
    pub struct ClusterCaRef {
        /// Cluster of the CA: the same as this one.
        cluster: String => required(),
        /// SHA-256 of the root's certificate: checked before istiod is installed.
        root_fingerprint: String => required(),
    }
}

model! {
    /// Makes a Kubernetes cluster a member of the mesh: installs Istio's `base` and `istiod` charts with the settings of a
    /// multi-primary, multi-network mesh, labels the namespace with the network, and waits until istiod's webhooks serve.
    ///
    /// Clusters of one mesh have the same `mesh_id` and `trust_domain`, a root of trust in common (see `mesh_cluster_ca`), and a
    /// `network` each.
    pub struct ClusterModel {
        /// Key of the cluster in the provider's `clusters`.
        cluster: String => required().replaces(),
        /// The mesh's name, the same in all its clusters.
        mesh_id: String => required(),
        /// The name of the cluster's network. Clusters whose pods reach each other directly share one; all others differ.
        network: String => required(),
        /// The trust domain, first part of each workload's identity; the same in all clusters of the mesh.
        trust_domain: String => optional().default("cluster.local"),
        /// Istio's name for the cluster; `cluster` if left out.
        cluster_name: String => optional(),
        /// The namespace that Istio is installed to. It is made if it doesn't exist.
        namespace: String => optional().default("istio-system").replaces(),
        /// The cluster's CA: `ca = mesh_cluster_ca.us`. Without it istiod makes a root of its own, which no other cluster trusts.
        ca: ClusterCaRef => optional(),
        /// Version of Istio's charts, such as `1.31.0`; the provider's `helm.version` if left out, and without that the newest.
        istio_version: String => optional(),
        /// Helm values for the `istiod` chart, as YAML texts; later ones win. Attributes of this resource win over them, with a
        /// warning. Only a change of meaning is a change.
        values: Vec<Value<String>> => optional().equivalent_by(same_values),
        /// Whether sidecars answer DNS for hosts of the mesh, exported services among them.
        dns_capture: bool => optional().default(true),
        /// The mesh-wide mode of mutual TLS: `STRICT`, `PERMISSIVE` or `DISABLE`. Istio's own default is to accept plain text too.
        mtls_mode: String => optional(),
        /// Whether destroying removes Istio's custom resource definitions too, and with them every object of their kinds.
        delete_crds: bool => optional().default(false),
        /// The version of Istio that is installed.
        installed_version: String => computed(),
        /// What differs in the cluster from what was applied. An apply sets it back.
        drift: Vec<Value<String>> => computed().settled(Datum::List(vec![])),
        /// How long each operation may take.
        timeouts: Timeouts => optional(),
    }
}
