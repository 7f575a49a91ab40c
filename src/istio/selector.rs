//! The selector of a policy.

use std::collections::BTreeMap;

use serde::Serialize;

/// Selects the pods of the policy's namespace that have all of these labels.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MatchLabels {
    /// The labels.
    pub match_labels: BTreeMap<String, String>,
}
