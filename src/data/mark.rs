//! The mark on objects of a create that has not finished.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use time::OffsetDateTime;

/// Marks what a create makes until all of it is in place: an apply that finds the mark goes on with what a create that was cut short has left.
///
/// It consists of labels, because Helm's records of releases carry nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The key of the object's cluster in the provider's `clusters`.
    pub cluster: String,
    /// The run of the provider that creates.
    pub run: String,
    /// The time at which the run ends at the latest.
    pub until: OffsetDateTime,
}

impl Mark {
    /// The label that only marked objects have: the key of the cluster.
    pub const CLUSTER: &'static str = "mesh.terraform.io/unfinished";
    /// The label with the run.
    const RUN: &'static str = "mesh.terraform.io/unfinished-run";
    /// The label with the time, in seconds since 1970.
    const UNTIL: &'static str = "mesh.terraform.io/unfinished-until";

    /// The labels that make up a mark.
    pub const LABELS: [&'static str; 3] = [Self::CLUSTER, Self::RUN, Self::UNTIL];

    /// Returns the labels with their values.
    pub fn labels(&self) -> BTreeMap<&'static str, String> {
        let values = [self.cluster.clone(), self.run.clone(), self.until.unix_timestamp().to_string()];
        Self::LABELS.into_iter().zip(values).collect()
    }

    /// Returns the mark of an object; `None` if it has none.
    pub fn of(object: &Json) -> Option<Self> {
        let labels = &object["metadata"]["labels"];
        let until = labels[Self::UNTIL].as_str().and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds.parse().ok()?).ok());
        Some(Self {
            cluster: labels[Self::CLUSTER].as_str()?.to_owned(),
            run: labels[Self::RUN].as_str().unwrap_or_default().to_owned(),
            until: until.unwrap_or(OffsetDateTime::UNIX_EPOCH),
        })
    }

    /// Puts the mark on a manifest.
    #[must_use]
    pub fn on(&self, mut manifest: Json) -> Json {
        for (label, value) in self.labels() {
            manifest["metadata"]["labels"][label] = value.into();
        }
        manifest
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        let mark = Mark { cluster: "eu".to_owned(), run: "0123.abc".to_owned(), until: time::macros::datetime!(2030-01-01 00:10 UTC) };
        assert_eq!(Mark::of(&mark.on(json!({"metadata": {"name": "cacerts"}}))), Some(mark));
        assert_eq!(Mark::of(&json!({"metadata": {"name": "cacerts"}})), None);
    }
}
