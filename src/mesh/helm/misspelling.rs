//! Keys of the user's Helm values that look like a misspelling of one that Istio's charts know. Helm ignores a key that no template reads, so nothing
//! else reports it.

use serde_json::Value as Json;

use super::{
    known_keys::{BASE, GATEWAY, ISTIOD, Known},
    lint::{Effect, Lint},
};

/// Returns a warning for each key of the chart `istiod` that is not known and is a letter or two away from one that is. Other unknown keys may be
/// right: charts of other versions know other keys.
pub(super) fn of_istiod(values: &Json) -> Vec<Lint> {
    // The chart merges what is below `pilot` into the top level.
    let places: [&[&str]; 2] = [&[], &["pilot"]];
    places.into_iter().flat_map(|above| misspelled(values, above, ISTIOD)).collect()
}

/// Returns such warnings for the chart `base`.
pub(super) fn of_base(values: &Json) -> Vec<Lint> {
    misspelled(values, &[], BASE)
}

/// Returns such warnings for the chart `gateway`, whose schema has the keys at the top: Helm refuses others.
pub(super) fn of_gateway(values: &Json) -> Vec<Lint> {
    let mut lints = misspelled(values, &[], GATEWAY);
    for lint in lints.iter_mut().filter(|lint| values.get(&lint.key).is_some()) {
        lint.effect = Effect::Unsupported;
        lint.message = format!("Helm refuses it in the apply. {}", lint.message);
    }
    lints
}

fn misspelled(values: &Json, above: &[&str], chart: &[Known]) -> Vec<Lint> {
    let of = |(path, known): &Known| {
        let path: Vec<_> = above.iter().chain(*path).map(|part| (*part).to_owned()).collect();
        misspelled_below(values, &path, &known.split_whitespace().collect::<Vec<_>>())
    };
    chart.iter().flat_map(of).collect()
}

fn misspelled_below(values: &Json, path: &[String], known: &[&str]) -> Vec<Lint> {
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
        let reader = if path.iter().any(|part| part == "meshConfig") { "Istio" } else { "The chart" };
        (distance <= most || key.eq_ignore_ascii_case(meant)).then(|| Lint {
            key: full(key),
            effect: Effect::Nothing,
            message: format!(
                "{reader} doesn't know this key. Probably {} is meant: correct the name. See \"Helm value … …\" in the guide Plan warnings.",
                full(meant)
            ),
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

    fn told(lints: Vec<Lint>) -> Vec<String> {
        let meant = |message: &str| message.split_once("Probably ").unwrap().1.split(' ').next().unwrap().to_owned();
        lints.into_iter().map(|lint| format!("{}: {}", lint.key, meant(&lint.message))).collect()
    }

    fn found(values: &Json) -> Vec<String> {
        told(of_istiod(values))
    }

    #[test]
    fn misspelled_keys_are_named_with_the_right_one() {
        let values = json!({
            "global": {"netwrok": "eu-net", "meshId": "m", "multicluster": {}}, "meshConfig": {"trustDomian": "a", "acessLogFile": "b"},
            "meshconfig": {}, "pilot": {"autoscaleEnable": false},
        });
        let expected = [
            "meshconfig: meshConfig",
            "global.meshId: global.meshID",
            "global.multicluster: global.multiCluster",
            "global.netwrok: global.network",
            "meshConfig.acessLogFile: meshConfig.accessLogFile",
            "meshConfig.trustDomian: meshConfig.trustDomain",
            "pilot.autoscaleEnable: pilot.autoscaleEnabled",
        ];
        assert_eq!(found(&values), expected);
    }

    #[test]
    fn keys_further_down_are_named_with_the_right_one() {
        let values = json!({
            "global": {"multiCluster": {"clustername": "eu"}, "proxy": {"excludeIpRanges": "*"}},
            "meshConfig": {"defaultConfig": {
                "holdApplicationUntilProxyStart": true,
                "proxyMetadata": {"ISTIO_META_DNS_CAPTRUE": "true", "ISTIO_META_DNS_CAPTURES": "true", "OUR_OWN": "a", "OUTPUT_CERTS": "/etc"},
            }},
            "pilot": {"cni": {"enable": true}},
        });
        let metadata = "meshConfig.defaultConfig.proxyMetadata.ISTIO_META_DNS_CAPTURE";
        let expected = [
            "global.multiCluster.clustername: global.multiCluster.clusterName".to_owned(),
            "global.proxy.excludeIpRanges: global.proxy.excludeIPRanges".to_owned(),
            "meshConfig.defaultConfig.holdApplicationUntilProxyStart: meshConfig.defaultConfig.holdApplicationUntilProxyStarts".to_owned(),
            format!("meshConfig.defaultConfig.proxyMetadata.ISTIO_META_DNS_CAPTRUE: {metadata}"),
            format!("{metadata}S: {metadata}"),
            "pilot.cni.enable: pilot.cni.enabled".to_owned(),
        ];
        assert_eq!(found(&values), expected);
        assert!(of_istiod(&values)[2].message.starts_with("Istio doesn't know this key. "));
    }

    #[test]
    fn keys_of_the_other_charts_are_named_with_the_right_one() {
        let base = json!({"defaultRevison": "a", "base": {"enableCRDTemplate": false}, "global": {"istioNamspace": "a"}});
        let expected = [
            "defaultRevison: defaultRevision",
            "base.enableCRDTemplate: base.enableCRDTemplates",
            "global.istioNamspace: global.istioNamespace",
        ];
        assert_eq!(told(of_base(&base)), expected);
        let gateway = json!({"tolerations": [], "toleration": [], "service": {"loadBalancerIp": "a", "annotations": {"typ": "a"}}, "networkGatewayPort": {}});
        let lints = of_gateway(&gateway);
        assert_eq!(lints.iter().map(|lint| lint.effect).collect::<Vec<_>>(), [Effect::Unsupported, Effect::Unsupported, Effect::Nothing]);
        assert!(lints[0].message.starts_with("Helm refuses it in the apply. "), "{}", lints[0].message);
        let expected =
            ["networkGatewayPort: networkGatewayPorts", "toleration: tolerations", "service.loadBalancerIp: service.loadBalancerIP"];
        assert_eq!(told(lints), expected);
    }

    #[test]
    fn known_and_foreign_keys_are_no_misspelling() {
        for (chart, lint) in [(ISTIOD, of_istiod as fn(&Json) -> Vec<Lint>), (GATEWAY, of_gateway), (BASE, of_base)] {
            for (path, known) in chart {
                let keys: Json = known.split_whitespace().map(|key| (key.to_owned(), json!({}))).collect::<serde_json::Map<_, _>>().into();
                let values = path.iter().rev().fold(keys, |values, part| json!({*part: values}));
                assert_eq!(told(lint(&values)), [""; 0], "{path:?}");
            }
        }
        assert_eq!(found(&json!({"global": {"team": "a", "tags": {}, "netwrok": null}, "flavor": "x", "extra": {"netwrok": 1}})), [""; 0]);
    }

    #[test]
    fn every_path_begins_with_a_known_key() {
        for chart in [ISTIOD, GATEWAY, BASE] {
            for (path, _) in chart {
                let above = path.split_last().map(|(last, above)| {
                    chart.iter().any(|(other, known)| *other == above && known.split_whitespace().any(|key| key == *last))
                });
                assert_ne!(above, Some(false), "{path:?}");
            }
        }
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
