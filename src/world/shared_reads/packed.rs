//! Objects that are kept for later reads.

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;
use serde_json::Value as Json;

use crate::data::selects_labels;

/// An object as text. Parsed, it takes several times as much memory, as each of its maps is a tree of its own.
#[derive(Clone)]
pub(super) struct Packed(Arc<str>);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Labelled {
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    labels: Option<BTreeMap<String, String>>,
}

impl Packed {
    pub(super) fn new(live: &Json) -> Self {
        Self(live.to_string().into())
    }

    /// Returns the object.
    pub(super) fn unpack(&self) -> Json {
        serde_json::from_str(&self.0).unwrap_or_default()
    }

    /// Returns its labels, without a look at the rest.
    pub(super) fn labels(&self) -> BTreeMap<String, String> {
        serde_json::from_str::<Labelled>(&self.0).unwrap_or_default().metadata.labels.unwrap_or_default()
    }

    /// Returns whether a label selector selects it.
    pub(super) fn is_selected(&self, selector: &str) -> bool {
        let labels = self.labels();
        selects_labels(selector, |label| labels.get(label).map(String::as_str))
    }
}
