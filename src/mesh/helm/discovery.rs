//! `meshConfig.discoverySelectors`: the namespaces that istiod looks at. Istio makes no exception for its own namespace, so selectors that don't
//! match it hide the objects that exports have in it.
//!
//! Source: Istio, `pkg/kube/namespace/filter.go`.

use serde_json::{Value as Json, json};

use super::{
    lint::{Effect, Lint},
    values,
};
use crate::mesh::names::Namespace;

/// The label with a namespace's name that every namespace has.
const NAME: &str = "kubernetes.io/metadata.name";

/// Returns a warning if the selectors may not match istiod's namespace, of which only the labels in `labels` are known.
pub(super) fn lint(own: &Json, namespace: &Namespace, labels: &Json) -> Option<Lint> {
    let paths = [&["meshConfig", "discoverySelectors"][..], &["pilot", "meshConfig", "discoverySelectors"]];
    let path = paths.into_iter().map(|path| path.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>());
    let (path, selectors) = path.into_iter().find_map(|path| Some((path.clone(), values::at(own, &path)?.as_array()?)))?;
    let mut labels = labels.clone();
    labels[NAME] = json!(namespace.as_str());
    if selectors.is_empty() || selectors.iter().any(|selector| matches(selector, &labels)) {
        return None;
    }
    Some(Lint {
        key: values::key(&path),
        effect: Effect::Breaks,
        message: format!(
            "The selectors don't match namespace `{namespace}` by a label that it is known to have. Unless it has another label that they match, \
             istiod ignores the objects in it by which exported services are reached. Add `- matchLabels: {{{NAME}: {namespace}}}`. The \
             namespaces of exported services must match, too."
        ),
    })
}

/// Returns whether a label selector matches these labels.
pub(in crate::mesh) fn matches(selector: &Json, labels: &Json) -> bool {
    let equal = selector["matchLabels"].as_object().into_iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
    equal && selector["matchExpressions"].as_array().into_iter().flatten().all(|expression| holds(expression, labels))
}

fn holds(expression: &Json, labels: &Json) -> bool {
    let label = expression["key"].as_str().and_then(|key| labels.get(key));
    let is_listed = label.is_some_and(|label| expression["values"].as_array().is_some_and(|listed| listed.contains(label)));
    match expression["operator"].as_str() {
        Some("In") => is_listed,
        Some("NotIn") => !is_listed,
        Some("Exists") => label.is_some(),
        Some("DoesNotExist") => label.is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(selectors: &Json) -> Option<String> {
        let namespace = Namespace::parse("istio-system").unwrap();
        let labels = json!({"topology.istio.io/network": "eu-net"});
        lint(&json!({"meshConfig": {"discoverySelectors": selectors}}), &namespace, &labels).map(|lint| lint.key)
    }

    #[test]
    fn selectors_that_miss_the_namespace_are_named() {
        for selectors in [
            json!([{"matchLabels": {"mesh": "on"}}]),
            json!([{"matchExpressions": [{"key": NAME, "operator": "NotIn", "values": ["istio-system"]}]}]),
            json!([{"matchLabels": {NAME: "istio-system", "mesh": "on"}}]),
        ] {
            assert_eq!(found(&selectors).as_deref(), Some("meshConfig.discoverySelectors"), "{selectors}");
        }
    }

    #[test]
    fn selectors_that_match_the_namespace_are_fine() {
        for selectors in [
            json!([]),
            json!([{"matchLabels": {"mesh": "on"}}, {"matchLabels": {NAME: "istio-system"}}]),
            json!([{"matchExpressions": [{"key": NAME, "operator": "In", "values": ["istio-system", "echo"]}]}]),
            json!([{"matchExpressions": [{"key": "mesh", "operator": "DoesNotExist"}]}]),
            json!([{"matchLabels": {"topology.istio.io/network": "eu-net"}}]),
        ] {
            assert_eq!(found(&selectors), None, "{selectors}");
        }
        let below_pilot = json!({"pilot": {"meshConfig": {"discoverySelectors": [{"matchLabels": {"mesh": "on"}}]}}});
        assert!(lint(&below_pilot, &Namespace::parse("istio-system").unwrap(), &json!({})).is_some());
    }
}
