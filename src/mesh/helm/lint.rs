//! Warnings about the user's Helm values: keys without effect, and keys that an attribute overrides.

use serde_json::Value as Json;

use super::{setting::Decision, values};

/// A warning about one key of the values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lint {
    /// The key, its parts joined by dots: `global.trustDomain`.
    pub key: String,
    /// What it does.
    pub effect: Effect,
    /// Why, and what to use instead; sentences.
    pub message: String,
}

/// What a key that a warning is about does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    Nothing,
    /// It breaks calls, or the installation.
    Breaks,
    /// It takes away what the provider needs.
    Unsupported,
}

impl Lint {
    /// Returns the warning's or error's title.
    pub fn title(&self) -> String {
        let effect = match self.effect {
            Effect::Nothing => "has no effect",
            Effect::Breaks => "breaks calls",
            Effect::Unsupported => "is not supported",
        };
        format!("Helm value {} {effect}", self.key)
    }
}

/// A key that Istio's charts don't read, or no longer read, and what to use instead.
struct DeadKey {
    path: &'static [&'static str],
    why: &'static str,
}

/// Each was looked up in the charts of 1.31: no template reads it, or only as a fallback for what we always set.
const DEAD_KEYS: &[DeadKey] = &[
    DeadKey {
        path: &["global", "trustDomain"],
        why: "Istio ignores it since 1.10 and takes meshConfig.trustDomain, which the attribute `trust_domain` sets.",
    },
    DeadKey { path: &["global", "trustDomainAliases"], why: "Istio ignores it since 1.10. Use meshConfig.trustDomainAliases." },
    DeadKey {
        path: &["env", "PILOT_ENABLE_MULTINETWORK"],
        why: "No release of Istio reads this variable. Nothing is needed in its place: the attribute `network` and the east-west gateway \
              (`mesh_eastwest_gateway`) make the mesh a multi-network one.",
    },
    DeadKey {
        path: &["global", "mesh_id"],
        why: "The chart doesn't read it. The mesh's ID is global.meshID, which the attribute `mesh_id` sets.",
    },
    DeadKey {
        path: &["gateways"],
        why: "The istiod chart doesn't read it. Gateways have a chart of their own: see `mesh_eastwest_gateway`.",
    },
    DeadKey {
        path: &["meshConfig", "holdApplicationUntilProxyStarts"],
        why: "Istio ignores it here. Use meshConfig.defaultConfig.holdApplicationUntilProxyStarts.",
    },
    DeadKey { path: &["istio_cni"], why: "The chart no longer reads it. Use pilot.cni." },
    DeadKey { path: &["global", "mtls"], why: "Istio ignores it. Use the attribute `mtls_mode`, and meshConfig.enableAutoMtls." },
    DeadKey { path: &["global", "meshExpansion"], why: "Istio ignores it. Use `mesh_eastwest_gateway`." },
    DeadKey { path: &["global", "outboundTrafficPolicy"], why: "Istio ignores it. Use meshConfig.outboundTrafficPolicy." },
    DeadKey { path: &["global", "localityLbSetting"], why: "Istio ignores it. Use meshConfig.localityLbSetting." },
    DeadKey { path: &["global", "enableTracing"], why: "Istio ignores it. Use meshConfig.enableTracing." },
    DeadKey { path: &["global", "proxy", "accessLogFile"], why: "Istio ignores it. Use meshConfig.accessLogFile." },
    DeadKey { path: &["global", "proxy", "accessLogFormat"], why: "Istio ignores it. Use meshConfig.accessLogFormat." },
    DeadKey { path: &["global", "proxy", "concurrency"], why: "Istio ignores it. Use meshConfig.defaultConfig.concurrency." },
    DeadKey { path: &["istiocoredns"], why: "Istio ignores it. Use the attribute `dns_capture`." },
    DeadKey {
        path: &["global", "multiCluster", "enabled"],
        why: "The chart reads only global.multiCluster.clusterName, which this resource sets.",
    },
    DeadKey { path: &["global", "configRootNamespace"], why: "The chart doesn't read it. Use meshConfig.rootNamespace." },
    DeadKey { path: &["global", "jwtPolicy"], why: "The chart no longer reads it: service account tokens are always third-party ones." },
    DeadKey {
        path: &["global", "controlPlaneSecurityEnabled"],
        why: "The chart no longer reads it: proxies always connect to the control plane with TLS.",
    },
    DeadKey {
        path: &["spec"],
        why: "It belongs to an IstioOperator manifest, which Helm's charts don't read. Move the content of its spec.values here.",
    },
];

/// The keys that do nothing in the istiod chart. `values` are as the user wrote them.
pub(super) fn dead_keys(values: &Json) -> Vec<Lint> {
    let found = |path: &Vec<String>| values::at(values, path).is_some_and(|value| !value.is_null());
    DEAD_KEYS
        .iter()
        .flat_map(|dead| {
            places(dead.path).into_iter().filter(found).map(|path| Lint {
                key: values::key(&path),
                effect: Effect::Nothing,
                message: dead.why.to_owned(),
            })
        })
        .collect()
}

/// A key with which a control plane can't be managed by this provider.
struct Unsupported {
    path: &'static [&'static str],
    /// Whether a value changes something.
    is_set: fn(&Json) -> bool,
    why: &'static str,
}

fn is_true(value: &Json) -> bool {
    *value == true
}

const UNSUPPORTED: &[Unsupported] = &[
    Unsupported {
        path: &["revision"],
        is_set: |value| value.as_str().map_or(!value.is_null(), |revision| !revision.is_empty()),
        why: "The istiod of a mesh_cluster has no revision, and that of a canary beside it is set by `canary.revision`. Remove the key.",
    },
    Unsupported {
        path: &["global", "operatorManageWebhooks"],
        is_set: is_true,
        why: "Without the webhook that the chart installs, no workload gets a sidecar, and the apply would wait for it in vain. Remove the key.",
    },
    Unsupported {
        path: &["istiodRemote", "enabled"],
        is_set: is_true,
        why: "A cluster of a multi-primary mesh has a control plane of its own, and this key leaves it out. Remove the key.",
    },
    Unsupported {
        path: &["global", "resourceScope"],
        is_set: |value| *value == "namespace",
        why: "With the scope `namespace` the chart leaves out istiod's webhooks and cluster roles. Remove the key.",
    },
];

/// Returns the keys with which a control plane can't be managed.
pub(super) fn unsupported(values: &Json) -> Vec<Lint> {
    let lint = |key: &Unsupported, path: Vec<String>| {
        values::at(values, &path).filter(|value| (key.is_set)(value)).map(|_| Lint {
            key: values::key(&path),
            effect: Effect::Unsupported,
            message: key.why.to_owned(),
        })
    };
    UNSUPPORTED.iter().flat_map(|key| places(key.path).into_iter().filter_map(|path| lint(key, path))).collect()
}

/// The chart merges `pilot.*` into the top level, so a key can be in two places.
fn places(path: &[&str]) -> [Vec<String>; 2] {
    let plain: Vec<String> = path.iter().map(|part| (*part).to_owned()).collect();
    let below_pilot = std::iter::once("pilot".to_owned()).chain(plain.iter().cloned()).collect();
    [plain, below_pilot]
}

/// The keys whose values differ from those of attributes, which win.
pub(super) fn overridden(values: &Json, decisions: &[Decision]) -> Vec<Lint> {
    let lint = |decision: &Decision, path: &[String]| {
        let found = values::at(values, path).filter(|found| !found.is_null())?;
        (!values::same_scalar(found, &decision.value)).then(|| Lint {
            key: values::key(path),
            effect: Effect::Nothing,
            message: format!(
                "`values` sets {} to {found}, but the attribute `{}` is {}. The attribute wins: remove the key from `values`, or make them equal.",
                values::key(path),
                decision.attribute,
                decision.value,
            ),
        })
    };
    decisions
        .iter()
        .flat_map(|decision| std::iter::once(&decision.path).chain(&decision.shadows).filter_map(move |path| lint(decision, path)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn dead_keys_are_found_in_both_places() {
        let keys = |values| dead_keys(&values).into_iter().map(|lint| lint.key).collect::<Vec<_>>();
        assert_eq!(keys(json!({"pilot": {"env": {"PILOT_ENABLE_MULTINETWORK": "true"}}})), ["pilot.env.PILOT_ENABLE_MULTINETWORK"]);
        assert_eq!(keys(json!({"env": {"PILOT_ENABLE_MULTINETWORK": "true"}})), ["env.PILOT_ENABLE_MULTINETWORK"]);
        assert_eq!(keys(json!({"spec": {"values": {}}})), ["spec"]);
        assert_eq!(keys(json!({"global": {"trustDomain": null}, "meshConfig": {"trustDomain": "a"}})), [""; 0]);
    }
}
