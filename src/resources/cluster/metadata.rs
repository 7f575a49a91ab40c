//! Labels and annotations that the configuration sets on the namespace.

use std::collections::BTreeMap;

use super::ClusterModel;
use crate::mesh::{labels::MANAGED_BY, names};
use framework::{AttributePath, Parse, Value};

/// Labels and annotations of the namespace beside those of the provider.
pub(super) struct NamespaceMetadata {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
}

impl NamespaceMetadata {
    pub(super) fn parse(model: &ClusterModel, parse: &mut Parse<'_>) -> Option<Self> {
        let labels =
            parse.entries("namespace_labels", &model.namespace_labels, |value| names::check_label_value(value).map(|()| value.clone()));
        let annotations = parse.entries("namespace_annotations", &model.namespace_annotations, |value| Ok::<_, String>(value.clone()));
        check_keys("namespace_labels", &model.namespace_labels, parse);
        check_keys("namespace_annotations", &model.namespace_annotations, parse);
        Some(Self { labels: labels?, annotations: annotations? })
    }
}

fn check_keys(name: &'static str, entries: &Value<BTreeMap<String, Value<String>>>, parse: &mut Parse<'_>) {
    for key in entries.as_ref_option().into_iter().flat_map(BTreeMap::keys) {
        let path: AttributePath = parse.path(name).key(key.clone());
        if key == MANAGED_BY || key == names::NETWORK_LABEL {
            parse.violation(path, &format!("The provider sets `{key}` itself. Remove it; the network is the attribute `network`."));
        } else if let Err(problem) = names::check_key(key) {
            parse.violation(path, &problem);
        }
    }
}
