//! The attributes of `mesh_cluster`.

use std::collections::BTreeMap;

use crate::{
    mesh::{MutualTlsMode, Namespace, TrustDomain},
    world::same_values,
};
use framework::{Datum, Set, Timeouts, Value, computed, model, optional, required};

model! {
    /// The cluster's CA: the attributes of a `mesh_cluster_ca`.
    pub struct ClusterCaRef {
        /// Key of the CA's cluster, which must be this one.
        cluster: String => required(),
        /// SHA-256 fingerprint of the root's certificate. The Secret `cacerts` is verified before istiod is installed; if the fingerprint changes,
        /// istiod is restarted, and the apply waits until it serves the root.
        root_fingerprint: String => required(),
        /// SHA-256 fingerprints of the further roots that workloads trust. Other ones restart istiod as well.
        trusted_fingerprints: Vec<Value<String>> => optional(),
    }
}

model! {
    /// The certificates that istiod has in use.
    pub struct CaInUse {
        /// SHA-256 fingerprint of the certificate of the CA that istiod signs with: the intermediate, or the root that istiod has created itself.
        /// Null if it can't be read, which takes the permission to forward ports of istiod's pods.
        fingerprint: String => computed(),
        /// SHA-256 fingerprint of the root that istiod serves to workloads, or of the first of several.
        root_fingerprint: String => computed(),
        /// When the first of the two expires, in RFC 3339 and UTC, for example `2028-01-01T00:00:00Z`.
        expires_at: String => computed(),
    }
}

model! {
    /// A second istiod beside the cluster's own one.
    pub struct CanaryModel {
        /// Name of its revision, for example `canary`: the value of the label `istio.io/rev` of the namespaces and pods that it serves, and
        /// of `revision` of a `mesh_eastwest_gateway`.
        revision: String => required(),
        /// Its version of Istio, for example `1.31.0`; `istio_version` must then be set, too. Defaults to the version of the cluster's own istiod. The
        /// chart `base` is always of the newer of the two.
        istio_version: String => optional(),
        /// Helm values on top of `values`, as YAML documents, for example `revisionTags: [next]`.
        values: Vec<Value<String>> => optional().equivalent_by(same_values),
    }
}

model! {
    /// Makes a Kubernetes cluster a member of the mesh: installs Istio's `base` and `istiod` charts with the settings of a
    /// multi-primary, multi-network mesh, labels the namespace with the network, and waits until istiod's webhooks serve.
    ///
    /// Clusters of one mesh have the same `mesh_id` and `trust_domain`, a root of trust in common (see `mesh_cluster_ca`), and a
    /// `network` each.
    pub struct ClusterModel {
        /// Key of the cluster in the provider's `clusters`, for example `us`.
        cluster: String => required().replaces(),
        /// ID of the mesh, the same in all its clusters, for example `shop-mesh`.
        mesh_id: String => required(),
        /// Name of the cluster's network, for example `us-net`. Only clusters whose pods reach each other directly share a network.
        network: String => required(),
        /// Trust domain: the first part of each workload's SPIFFE identity, the same in all clusters of the mesh, for example `corp.local`.
        trust_domain: String => optional().default(TrustDomain::DEFAULT),
        /// Trust domains of other clusters of the mesh, for example `["eu.corp.local"]`, where each cluster has one of its own. Workloads accept
        /// clients of these, too, and an authorization policy that names an account of one domain means the account of that name in all of
        /// them. Defaults to what `values` set, usually nothing.
        trust_domain_aliases: Vec<Value<String>> => optional(),
        /// Istio's name for the cluster. Defaults to the value of `cluster`.
        cluster_name: String => optional(),
        /// Namespace to install Istio in. It is created if it doesn't exist.
        namespace: String => optional().default(Namespace::ISTIO_SYSTEM).replaces(),
        /// The cluster's CA: `ca = mesh_cluster_ca.us`. Without it, istiod creates a root of its own, which no other cluster trusts.
        ca: ClusterCaRef => optional(),
        /// Version of Istio's charts, for example `1.31.0`. Defaults to the provider's `helm.version`, or else to the newest version.
        istio_version: String => optional(),
        /// Helm values for the `istiod` chart, as YAML documents; later ones override earlier ones. Attributes of this resource override
        /// all of them, with a warning. Layout and comments are no difference.
        values: Vec<Value<String>> => optional().equivalent_by(same_values),
        /// Helm values on top of `values` that may hold secrets, as one YAML document. They reach the release, and are in no plan or state; a plan shows
        /// neither them nor changes of them, and an import reads them into `values`. The CLI can't compare write-only values: increase
        /// `values_wo_version` when they change, or they are applied with the next change of something else.
        values_wo: String => optional().sensitive().write_only(),
        /// Version of `values_wo`. Increase it when these values change.
        values_wo_version: i64 => optional(),
        /// Helm values for the `base` chart, as YAML documents; later ones override earlier ones. For example
        /// `base: {enableCRDTemplates: false}` where a platform team manages Istio's custom resource definitions.
        base_values: Vec<Value<String>> => optional().equivalent_by(same_values),
        /// A second istiod with a revision of its own, to try a new version or new settings with some of the workloads: those in namespaces or pods
        /// with the label `istio.io/rev`, and a gateway with `revision`. It has the same settings as the cluster's own istiod but for what is set here, and is
        /// removed when this is removed, which is refused while anything uses the revision.
        canary: CanaryModel => optional(),
        /// Labels of the namespace, for example `pod-security.kubernetes.io/enforce = "privileged"`. Only these are set, and removed when they
        /// are no longer set here; other labels stay as they are.
        namespace_labels: BTreeMap<String, Value<String>> => optional(),
        /// Annotations of the namespace, likewise.
        namespace_annotations: BTreeMap<String, Value<String>> => optional(),
        /// Whether sidecars answer DNS queries for the mesh's hosts, including exported services.
        dns_capture: bool => optional().default(true),
        /// Mesh-wide mode of mutual TLS. If not set, Istio's own default applies, which also accepts plain text.
        mtls_mode: String => optional().one_of(MutualTlsMode::ALL.map(|(name, _)| name)),
        /// Whether destroying the resource also deletes Istio's custom resource definitions, and with them every object of their kinds.
        delete_crds: bool => optional().default(false),
        /// Fields of the charts' objects that somebody else in the cluster owns, such as an autoscaler or a policy engine: `drift` then leaves them
        /// out. Each is written like the beginning of a line of `drift`, with `*` for any characters, and includes all that is below it:
        /// `Deployment istio-system/istiod: spec.replicas`, or `MutatingWebhookConfiguration *: webhooks[*].namespaceSelector`. Without a field
        /// it is the object as a whole, which may then be missing, too. An apply of another change still writes what the charts say.
        ignore_drift: Set<String> => optional(),
        /// Whether a create takes over a control plane that exists already in the namespace and that this provider didn't install: one of Helm,
        /// under whatever names, or one of `istioctl install`. The plan shows what of it changes, and a warning says what can't be shown. istiod
        /// isn't restarted unless its pods change. It has no effect on a resource that is in the state.
        adopt: bool => optional().default(false).equivalent_by(|_, _| true),
        /// Installed version of Istio.
        installed_version: String => computed(),
        /// What istiod itself says that it signs with, as opposed to the Secret `cacerts`. An apply that renews the CA waits until istiod has taken it
        /// up, and restarts istiod if it doesn't within three minutes.
        ca_in_use: CaInUse => computed(),
        /// Differences between the cluster and the last applied configuration, one string each. The next apply reverts them.
        drift: Vec<Value<String>> => computed().settled(Datum::List(vec![])),
        /// How long each operation may take.
        timeouts: Timeouts => optional(),
    }
}
