//! The control plane of one cluster: renders the Helm releases of istiod, and reads the attributes back for an import.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::{
    discovery,
    lint::{self, Effect, Lint},
    misspelling,
    setting::{self, Decision, Setting},
    signer,
    values::{self, Values},
};
use crate::{
    data::{Kind, Release},
    istio::{MutualTls, MutualTlsMode, PeerAuthentication, well_known},
    mesh::{
        inventory,
        labels::{self, Owner},
        manifest::with_spec,
        names::{ClusterKey, MeshId, Namespace, NetworkName, TrustDomain},
    },
};

pub use crate::istio::well_known::DEFAULT_CLUSTER_NAME;

/// The release of the chart `base`: custom resource definitions, the default validation webhook, the reader's account.
pub const BASE_RELEASE: &str = "istio-base";

/// The release of the chart `istiod`.
pub const ISTIOD_RELEASE: &str = "istiod";

/// The chart of Istio's custom resource definitions.
pub const BASE_CHART: &str = "base";

/// The chart of istiod.
pub const ISTIOD_CHART: &str = "istiod";

// The chart merges `pilot.*` over the top level, so a value there would win.
const MESH_ID: Setting = Setting::new(&["global", "meshID"], "mesh_id")
    .shadowed_by(&[&["pilot", "global", "meshID"], &["meshConfig", "defaultConfig", "meshId"]]);
const NETWORK: Setting = Setting::new(&["global", "network"], "network").shadowed_by(&[&["pilot", "global", "network"]]);
const CLUSTER_NAME: Setting = Setting::new(&["global", "multiCluster", "clusterName"], "cluster_name").shadowed_by(&[&[
    "pilot",
    "global",
    "multiCluster",
    "clusterName",
]]);
const ISTIO_NAMESPACE: Setting =
    Setting::new(&["global", "istioNamespace"], "namespace").shadowed_by(&[&["pilot", "global", "istioNamespace"]]);
const TRUST_DOMAIN: Setting =
    Setting::new(&["meshConfig", "trustDomain"], "trust_domain").shadowed_by(&[&["pilot", "meshConfig", "trustDomain"]]);
/// Trust domains whose identities count as those of the cluster's own.
const TRUST_DOMAIN_ALIASES: Setting = Setting::new(&["meshConfig", "trustDomainAliases"], "trust_domain_aliases").shadowed_by(&[&[
    "pilot",
    "meshConfig",
    "trustDomainAliases",
]]);
/// The variable by which sidecars answer DNS queries.
const DNS_CAPTURE: Setting = Setting::new(&["meshConfig", "defaultConfig", "proxyMetadata", "ISTIO_META_DNS_CAPTURE"], "dns_capture");

/// Annotations of istiod's pods.
const POD_ANNOTATIONS: Setting = Setting::new(&["podAnnotations"], "ca");

/// The control plane of one cluster of the mesh.
#[derive(Clone, Debug, PartialEq)]
pub struct ControlPlane {
    /// The mesh's id.
    pub mesh_id: MeshId,
    /// The trust domain of all identities.
    pub trust_domain: TrustDomain,
    /// Further trust domains whose clients workloads accept; `None` leaves them to `values`.
    pub trust_domain_aliases: Option<Vec<TrustDomain>>,
    /// The cluster's network.
    pub network: NetworkName,
    /// Istio's name for the cluster.
    pub cluster_name: ClusterKey,
    /// Where istiod runs; the root namespace of its configuration.
    pub namespace: Namespace,
    /// Whether sidecars answer DNS.
    pub dns_capture: bool,
    /// The user's values for the chart `istiod`; later ones win, and the attributes above win over them.
    pub values: Vec<Values>,
    /// The user's values for the chart `base`.
    pub base_values: Vec<Values>,
    /// The mesh-wide mode of mutual TLS.
    pub mtls_mode: Option<MutualTlsMode>,
    /// Fingerprint of the root that istiod's CA leads to, if istiod doesn't create one itself.
    pub root: Option<String>,
    /// Fingerprints of the further roots that workloads trust.
    pub further_roots: Vec<String>,
}

/// The attributes that a deployed release's values show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportedValues {
    /// The mesh's id.
    pub mesh_id: Option<String>,
    /// The trust domain.
    pub trust_domain: Option<String>,
    /// Its aliases.
    pub trust_domain_aliases: Option<Vec<String>>,
    /// The network.
    pub network: Option<String>,
    /// Istio's name for the cluster.
    pub cluster_name: Option<String>,
    /// Whether sidecars answer DNS.
    pub dns_capture: bool,
    /// All other values, as YAML, if there are any.
    pub rest: Option<String>,
}

/// The webhook that injects sidecars.
pub(super) const INJECTOR: &str = "istio-sidecar-injector";

/// Returns the name that the chart gives an object outside of any namespace: outside of the usual one, that of istiod is part of it.
pub(super) fn of_namespace(name: &str, namespace: &Namespace) -> String {
    if namespace.as_str() == Namespace::ISTIO_SYSTEM { name.to_owned() } else { format!("{name}-{namespace}") }
}

/// Returns the name of the webhook that injects sidecars, for an istiod in this namespace.
pub fn injector_webhook(namespace: &Namespace) -> String {
    of_namespace(INJECTOR, namespace)
}

/// Returns the name of the webhook that validates configuration, for an istiod in this namespace.
pub fn validator_webhook(namespace: &Namespace) -> String {
    format!("istio-validator-{namespace}")
}

impl ControlPlane {
    pub(super) fn decisions(&self) -> Vec<Decision> {
        let mut decisions = vec![
            MESH_ID.to(self.mesh_id.as_str()),
            NETWORK.to(self.network.as_str()),
            CLUSTER_NAME.to(self.cluster_name.as_str()),
            ISTIO_NAMESPACE.to(self.namespace.as_str()),
            TRUST_DOMAIN.to(self.trust_domain.as_str()),
            DNS_CAPTURE.to(if self.dns_capture { "true" } else { "false" }),
        ];
        if let Some(aliases) = &self.trust_domain_aliases {
            decisions.push(TRUST_DOMAIN_ALIASES.to(aliases.iter().map(TrustDomain::as_str).collect::<Vec<_>>()));
        }
        let roots = self.root.iter().chain(self.further_roots.iter().filter(|_| self.root.is_some()));
        let roots = roots.map(String::as_str).collect::<Vec<_>>().join(",");
        decisions.extend((!roots.is_empty()).then(|| POD_ANNOTATIONS.entry(labels::ROOT, roots.as_str())));
        decisions
    }

    /// Returns warnings about the user's values.
    pub fn lints(&self) -> Vec<Lint> {
        let own = Values::merged(&self.values);
        let mut lints = lint::dead_keys(&own);
        lints.extend(misspelling::of_istiod(&own));
        lints.extend(lint::overridden(&own, &self.decisions()));
        lints.extend(discovery::lint(&own, &self.namespace, &json!(self.namespace_labels())));
        lints
    }

    /// Returns warnings about the user's values for the chart `base`.
    pub fn base_lints(&self) -> Vec<Lint> {
        let own = Values::merged(&self.base_values);
        let mut lints = misspelling::of_base(&own);
        lints.extend(lint::overridden(&own, &self.base_decisions()));
        lints
    }

    fn base_decisions(&self) -> [Decision; 1] {
        [ISTIO_NAMESPACE.to(self.namespace.as_str())]
    }

    /// Whether the chart `base` brings a definition, as it does unless the user's values leave it to others.
    pub fn brings_definition(&self, name: &str) -> bool {
        let base = &Values::merged(&self.base_values)["base"];
        let is_excluded = base["excludedCRDs"].as_array().is_some_and(|excluded| excluded.iter().any(|excluded| excluded == name));
        base["enableCRDTemplates"] != false && !is_excluded
    }

    /// Whether istiod signs the certificates of workloads, as it does unless the user's values switch it off.
    pub fn signs(&self) -> bool {
        signer::switched_off(&Values::merged(&self.values)).is_none()
    }

    /// Returns the user's values with which the control plane can't be managed. `has_ca` if istiod is to sign with a CA that is managed, too.
    pub fn refusals(&self, has_ca: bool) -> Vec<Lint> {
        let own = Values::merged(&self.values);
        let mut refusals = lint::unsupported(&own);
        refusals.extend(signer::refusal(&own).filter(|_| has_ca));
        let root_namespace = ["meshConfig", "rootNamespace"].map(str::to_owned);
        let moved = values::at(&own, &root_namespace).and_then(Json::as_str).filter(|root| *root != self.namespace.as_str());
        if let Some(root) = moved.filter(|_| self.mtls_mode.is_some()) {
            refusals.push(Lint {
                key: values::key(&root_namespace),
                effect: Effect::Unsupported,
                message: format!(
                    "With `mtls_mode` set, the root namespace must be `{}`: the policy is written there, and in any namespace but `{root}` it would \
                     not hold for the mesh. Remove the key, or remove `mtls_mode` and manage a PeerAuthentication in `{root}`.",
                    self.namespace
                ),
            });
        }
        refusals
    }

    /// Returns the further trust domains whose clients workloads accept, wherever that is set.
    pub fn accepted_domains(&self) -> Vec<String> {
        TRUST_DOMAIN_ALIASES.read_texts(&self.istiod_release(None).values).unwrap_or_default()
    }

    /// Whether istiod validates configuration, as it does unless the user's values switch it off.
    pub fn validates(&self) -> bool {
        let own = Values::merged(&self.values);
        let paths: [&[&str]; 2] = [&["global", "configValidation"], &["pilot", "global", "configValidation"]];
        let is_off =
            |path: &[&str]| values::at(&own, &path.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>()) == Some(&json!(false));
        !paths.into_iter().any(is_off)
    }

    /// The labels that the namespace needs before istiod is there.
    pub fn namespace_labels(&self) -> BTreeMap<String, String> {
        BTreeMap::from([(well_known::NETWORK_LABEL.to_owned(), self.network.to_string())])
    }

    /// The release `istio-base`.
    pub fn base_release(&self, version: Option<String>) -> Release {
        Release {
            name: BASE_RELEASE.to_owned(),
            namespace: self.namespace.to_string(),
            chart: BASE_CHART.to_owned(),
            version,
            values: setting::applied(&Values::merged(&self.base_values), &self.base_decisions()),
            private: Vec::new(),
            takes_ownership: false,
        }
    }

    /// The release `istiod`.
    pub fn istiod_release(&self, version: Option<String>) -> Release {
        Release {
            name: ISTIOD_RELEASE.to_owned(),
            namespace: self.namespace.to_string(),
            chart: ISTIOD_CHART.to_owned(),
            version,
            values: setting::applied(&Values::merged(&self.values), &self.decisions()),
            private: Values::private_places(&self.values),
            takes_ownership: false,
        }
    }

    /// The mesh-wide policy, if a mode is set.
    pub fn mesh_peer_authentication(&self) -> Option<Json> {
        let spec = PeerAuthentication { mtls: MutualTls { mode: self.mtls_mode? } };
        Some(with_spec(Kind::PEER_AUTHENTICATION, &self.namespace, well_known::DEFAULT_POLICY, &Owner::Cluster, &spec))
    }

    /// The webhook that injects sidecars; outside of the usual namespace its name has the namespace in it.
    pub fn injector_webhook(&self) -> String {
        injector_webhook(&self.namespace)
    }

    /// The webhook that validates configuration.
    pub fn validator_webhook(&self) -> String {
        validator_webhook(&self.namespace)
    }

    /// A configuration that the definitions let pass and istiod refuses: that it does shows that it serves.
    pub fn invalid_probe(&self) -> Json {
        inventory::invalid(self.namespace.as_str())
    }

    /// Reports whether a deployed release of istiod was installed for a root.
    pub fn is_for_a_root(values: &Json) -> bool {
        values["podAnnotations"][labels::ROOT].is_string()
    }

    /// Returns a release's values with the namespace that the charts assume without one, so that it makes no difference whether they say it.
    pub fn explicit(values: &Json) -> Json {
        values::merge(&json!({"global": {"istioNamespace": Namespace::ISTIO_SYSTEM}}), values)
    }

    /// Reads the user's values off a deployed release of the chart `base`, as YAML; `None` if there are none.
    pub fn read_base_values(values: &Json) -> Option<String> {
        values::to_yaml(&setting::without(values, &[ISTIO_NAMESPACE.path()]))
    }

    /// Reads the attributes off a deployed release's values.
    pub fn read_values(values: &Json) -> ImportedValues {
        let mut decided =
            [MESH_ID, NETWORK, CLUSTER_NAME, ISTIO_NAMESPACE, TRUST_DOMAIN, TRUST_DOMAIN_ALIASES, DNS_CAPTURE].map(Setting::path).to_vec();
        decided.push(POD_ANNOTATIONS.path_of(labels::ROOT));
        ImportedValues {
            mesh_id: MESH_ID.read_text(values),
            network: NETWORK.read_text(values),
            cluster_name: CLUSTER_NAME.read_text(values),
            trust_domain: TRUST_DOMAIN.read_text(values),
            trust_domain_aliases: TRUST_DOMAIN_ALIASES.read_texts(values),
            dns_capture: DNS_CAPTURE.read_text(values).is_some_and(|on| on == "true"),
            rest: values::to_yaml(&setting::without(values, &decided)),
        }
    }
}
