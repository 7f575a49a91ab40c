//! What was asked of an export, kept as an annotation in the exporting cluster: an import reads it, since the objects alone don't tell what was
//! set and what was found.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::labels::EXPORT_RECORD;

/// An export as it was configured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Record {
    /// The Service.
    pub service: String,
    /// The gateway's name.
    pub gateway_name: String,
    /// The gateway's namespace.
    pub gateway_namespace: String,
    /// Keys of the clusters that import.
    pub importers: BTreeSet<String>,
    /// Where the importers' objects are, if it was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub importer_namespace: Option<String>,
    /// The virtual address, if it was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vip: Option<String>,
    /// The ports, if they were set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ports: Option<Vec<RecordedPort>>,
    /// The pods' labels, if they were set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<BTreeMap<String, String>>,
    /// The pods' accounts.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub service_accounts: BTreeSet<String>,
    /// Their trust domain, if it was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust_domain: Option<String>,
    /// Where the exporting cluster is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locality: Option<String>,
}

/// A port that was set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RecordedPort {
    /// The port that callers use.
    pub number: u16,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What is spoken there.
    pub protocol: String,
    /// The pods' port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_port: Option<u16>,
}

impl Record {
    /// As the annotation's text.
    pub fn to_annotation(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads the annotation of an exporter's `ServiceEntry`.
    ///
    /// # Errors
    /// An object without the annotation, or with one that can't be read.
    pub fn read(entry: &Json) -> Result<Self, String> {
        let text =
            entry["metadata"]["annotations"][EXPORT_RECORD].as_str().ok_or_else(|| format!("It has no annotation {EXPORT_RECORD}."))?;
        serde_json::from_str(text).map_err(|error| format!("Its annotation {EXPORT_RECORD} can't be read: {error}."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let record =
            Record { service: "echo".into(), importers: ["us".to_owned()].into(), vip: Some("240.0.0.2".into()), ..Record::default() };
        let entry = serde_json::json!({"metadata": {"annotations": {EXPORT_RECORD: record.to_annotation()}}});
        assert_eq!(Record::read(&entry), Ok(record));
        assert!(Record::read(&Json::Null).is_err());
    }
}
