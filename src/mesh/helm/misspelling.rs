//! Keys of the user's Helm values that look like a misspelling of one that Istio's chart `istiod` knows. Helm ignores a key that no template reads, so
//! nothing else reports it.

use serde_json::Value as Json;

use super::lint::{Effect, Lint};

/// The keys at the top of the values and below `global` (`values.yaml` of the chart), and those of `meshConfig` (`MeshConfig` of istio.io/api), of
/// Istio 1.31. Keys of earlier versions that `lint` reports as dead are left to it.
const KNOWN: &[(&[&str], &[&str])] = &[
    (
        &[],
        &[
            "affinity",
            "autoscaleBehavior",
            "autoscaleEnabled",
            "autoscaleMax",
            "autoscaleMin",
            "base",
            "cni",
            "compatibilityVersion",
            "configMap",
            "cpu",
            "defaults",
            "deploymentAnnotations",
            "deploymentLabels",
            "env",
            "envVarFrom",
            "experimental",
            "extraContainerArgs",
            "gateways",
            "global",
            "hub",
            "image",
            "initContainers",
            "ipFamilies",
            "ipFamilyPolicy",
            "istio_cni",
            "istiocoredns",
            "istiodRemote",
            "jwksResolverExtraRootCA",
            "keepaliveMaxServerConnectionAge",
            "memory",
            "meshConfig",
            "nodeSelector",
            "ownerName",
            "pilot",
            "platform",
            "podAnnotations",
            "podLabels",
            "profile",
            "replicaCount",
            "resources",
            "revision",
            "revisionTags",
            "rollingMaxSurge",
            "rollingMaxUnavailable",
            "seccompProfile",
            "serviceAccountAnnotations",
            "serviceAnnotations",
            "sidecarInjectorWebhook",
            "sidecarInjectorWebhookAnnotations",
            "spec",
            "tag",
            "taint",
            "telemetry",
            "tolerations",
            "topologySpreadConstraints",
            "traceSampling",
            "trustedZtunnelName",
            "trustedZtunnelNamespace",
            "variant",
            "volumeMounts",
            "volumes",
        ],
    ),
    (
        &["global"],
        &[
            "agentgateway",
            "autoscalingv2API",
            "caAddress",
            "caName",
            "certSigners",
            "configCluster",
            "configRootNamespace",
            "configValidation",
            "controlPlaneSecurityEnabled",
            "defaultNodeSelector",
            "defaultPodDisruptionBudget",
            "defaultResources",
            "defaultTolerations",
            "enableTracing",
            "externalIstiod",
            "hub",
            "imagePullPolicy",
            "imagePullSecrets",
            "istioNamespace",
            "istiod",
            "jwtPolicy",
            "localityLbSetting",
            "logAsJson",
            "logging",
            "meshExpansion",
            "meshID",
            "meshNetworks",
            "mesh_id",
            "mountMtlsCerts",
            "mtls",
            "multiCluster",
            "nativeNftables",
            "network",
            "networkPolicy",
            "omitSidecarInjectorConfigMap",
            "operatorManageWebhooks",
            "outboundTrafficPolicy",
            "pilotCertProvider",
            "platform",
            "priorityClassName",
            "proxy",
            "proxy_init",
            "remotePilotAddress",
            "resourceScope",
            "sds",
            "sts",
            "tag",
            "tracer",
            "trustBundleName",
            "trustDomain",
            "trustDomainAliases",
            "variant",
            "waypoint",
        ],
    ),
    (
        &["meshConfig"],
        &[
            "accessLogEncoding",
            "accessLogFile",
            "accessLogFormat",
            "ca",
            "caCertificates",
            "certificates",
            "configSources",
            "connectTimeout",
            "defaultConfig",
            "defaultDestinationRuleExportTo",
            "defaultHttpRetryPolicy",
            "defaultProviders",
            "defaultServiceExportTo",
            "defaultTrafficPolicy",
            "defaultVirtualServiceExportTo",
            "disableEnvoyListenerLog",
            "discoverySelectors",
            "dnsRefreshRate",
            "enableAutoMtls",
            "enableEnvoyAccessLogService",
            "enablePrometheusMerge",
            "enableTracing",
            "extensionProviders",
            "h2UpgradePolicy",
            "hboneIdleTimeout",
            "holdApplicationUntilProxyStarts",
            "inboundClusterStatName",
            "inboundTrafficPolicy",
            "ingressClass",
            "ingressControllerMode",
            "ingressSelector",
            "ingressService",
            "localityLbSetting",
            "meshMTLS",
            "outboundClusterStatName",
            "outboundTrafficPolicy",
            "pathNormalization",
            "protocolDetectionTimeout",
            "proxyHttpPort",
            "proxyInboundListenPort",
            "proxyListenPort",
            "rootNamespace",
            "serviceScopeConfigs",
            "serviceSettings",
            "tcpKeepalive",
            "tlsDefaults",
            "trustDomain",
            "trustDomainAliases",
            "verifyCertificateAtClient",
        ],
    ),
];

/// Returns a warning for each key that is not known and is a letter or two away from one that is. Other unknown keys may be right: charts of
/// other versions know other keys.
pub(super) fn lint(values: &Json) -> Vec<Lint> {
    let below_pilot = |path: &[&str]| std::iter::once("pilot").chain(path.iter().copied()).map(str::to_owned).collect::<Vec<_>>();
    KNOWN
        .iter()
        .flat_map(|(path, known)| {
            let plain: Vec<_> = path.iter().map(|part| (*part).to_owned()).collect();
            [plain, below_pilot(path)].into_iter().flat_map(move |path| misspelled(values, &path, known))
        })
        .collect()
}

fn misspelled(values: &Json, path: &[String], known: &[&str]) -> Vec<Lint> {
    let Some(keys) = path.iter().try_fold(values, |values, part| values.get(part)).and_then(Json::as_object) else { return Vec::new() };
    let lint = |(key, value): (&String, &Json)| {
        if value.is_null() || known.contains(&key.as_str()) {
            return None;
        }
        let (distance, meant) = known.iter().map(|known| (distance(key, known), known)).min()?;
        // A short word is a letter away from many others.
        let most = if key.len() < 5 {
            0
        } else if key.len() < 8 {
            1
        } else {
            2
        };
        let full = |key: &str| path.iter().map(String::as_str).chain([key]).collect::<Vec<_>>().join(".");
        (distance <= most || key.eq_ignore_ascii_case(meant)).then(|| Lint {
            key: full(key),
            effect: Effect::Nothing,
            message: format!("The chart doesn't know this key. Probably {} is meant: correct the name.", full(meant)),
        })
    };
    keys.iter().filter_map(lint).collect()
}

/// Returns how many letters have to be inserted, removed, replaced or swapped with their neighbor.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut rows = vec![(0..=other.len()).collect::<Vec<_>>()];
    for i in 1..=one.len() {
        let mut row = vec![i];
        for j in 1..=other.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(one[i - 1] != other[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(values: &Json) -> Vec<String> {
        lint(values).into_iter().map(|lint| format!("{}: {}", lint.key, lint.message.split_whitespace().nth(7).unwrap())).collect()
    }

    #[test]
    fn misspelled_keys_are_named_with_the_right_one() {
        let values = json!({
            "global": {"netwrok": "eu-net", "meshId": "m", "multicluster": {}}, "meshConfig": {"trustDomian": "a", "acessLogFile": "b"},
            "meshconfig": {}, "pilot": {"autoscaleEnable": false},
        });
        let expected = [
            "meshconfig: meshConfig",
            "pilot.autoscaleEnable: pilot.autoscaleEnabled",
            "global.meshId: global.meshID",
            "global.multicluster: global.multiCluster",
            "global.netwrok: global.network",
            "meshConfig.acessLogFile: meshConfig.accessLogFile",
            "meshConfig.trustDomian: meshConfig.trustDomain",
        ];
        assert_eq!(found(&values), expected);
    }

    #[test]
    fn known_and_foreign_keys_are_no_misspelling() {
        for (path, known) in KNOWN {
            let keys: Json = known.iter().map(|key| ((*key).to_owned(), json!({}))).collect::<serde_json::Map<_, _>>().into();
            let values = path.iter().rev().fold(keys, |values, part| json!({*part: values}));
            assert_eq!(found(&values), [""; 0], "{path:?}");
        }
        assert_eq!(found(&json!({"global": {"team": "a", "tags": {}, "netwrok": null}, "flavor": "x", "extra": {"netwrok": 1}})), [""; 0]);
    }

    #[test]
    fn a_distance_counts_letters() {
        for (one, other, expected) in
            [("network", "network", 0), ("netwrok", "network", 1), ("a", "", 1), ("trustDomian", "trustDomains", 2)]
        {
            assert_eq!(distance(one, other), expected, "{one} {other}");
        }
    }
}
