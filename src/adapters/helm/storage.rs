//! Helm's storage: each revision of a release is a Secret with the release as JSON, compressed and encoded twice.

use std::io::Read as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::read::GzDecoder;
use serde_json::Value as Json;
use serde_saphyr::options::DuplicateKeyPolicy;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::data::{Deployed, MANAGER, ReleaseStatus};

/// The number of a revision.
pub(super) fn revision(secret: &Json) -> u64 {
    secret["metadata"]["labels"]["version"].as_str().and_then(|version| version.parse().ok()).unwrap_or_default()
}

/// Namespace and name of the release that a revision is of.
pub(super) fn release(secret: &Json) -> (&str, &str) {
    let metadata = &secret["metadata"];
    (metadata["namespace"].as_str().unwrap_or_default(), metadata["labels"]["name"].as_str().unwrap_or_default())
}

/// Whether an operation has begun and not ended.
pub(super) fn is_pending(secret: &Json) -> bool {
    secret["metadata"]["labels"]["status"].as_str().is_some_and(|status| status.starts_with("pending-"))
}

/// The label by which the revisions of the provider's own Helm are known.
pub(super) const INSTALLED_BY: &str = "mesh.terraform.io/installed-by";

/// How long anybody else's Helm is taken to be at work: twice as long as it waits by default.
const ABANDONED: time::Duration = time::Duration::minutes(10);

/// Whether nobody is at work on a pending revision any more. One of our own is left when a run was killed: the CLI sees to it that there is
/// only one run at a time.
pub(super) fn is_abandoned(secret: &Json, now: OffsetDateTime) -> bool {
    let metadata = &secret["metadata"];
    let begun = metadata["creationTimestamp"].as_str().and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
    metadata["labels"][INSTALLED_BY] == MANAGER || begun.is_none_or(|begun| now - begun > ABANDONED)
}

/// Reads a revision; an error says what can't be read.
pub(super) fn decode(secret: &Json) -> Result<Deployed, String> {
    let encoded = secret["data"]["release"].as_str().ok_or("The Secret has no key `release`.")?;
    // Once by the API, once by Helm.
    let inner = STANDARD.decode(encoded).map_err(|error| format!("The Secret's data is not base64: {error}."))?;
    let compressed = STANDARD.decode(inner.trim_ascii()).map_err(|error| format!("The release is not base64: {error}."))?;
    let mut json = Vec::new();
    if compressed.starts_with(&[0x1f, 0x8b]) {
        GzDecoder::new(compressed.as_slice()).read_to_end(&mut json).map_err(|error| format!("The release is not gzip: {error}."))?;
    } else {
        json = compressed;
    }
    let release: Json = serde_json::from_slice(&json).map_err(|error| format!("The release is not JSON: {error}."))?;
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let metadata = &release["chart"]["metadata"];
    let (manifest, unreadable) = documents(release["manifest"].as_str().unwrap_or_default());
    let status = text(&release["info"]["status"]);
    Ok(Deployed {
        name: text(&release["name"]),
        namespace: text(&release["namespace"]),
        revision: release["version"].as_u64().unwrap_or_default(),
        status: match status.as_str() {
            "deployed" => ReleaseStatus::Deployed,
            "failed" => ReleaseStatus::Failed,
            pending if pending.starts_with("pending-") => ReleaseStatus::Pending(status),
            _ => ReleaseStatus::Other(status),
        },
        chart: text(&metadata["name"]),
        version: text(&metadata["version"]),
        app_version: text(&metadata["appVersion"]),
        values: match &release["config"] {
            Json::Null => Json::Object(serde_json::Map::new()),
            values => values.clone(),
        },
        manifest,
        unreadable,
        description: text(&release["info"]["description"]),
    })
}

/// Returns the objects of a manifest, which is YAML documents of which some are empty, and a line for each document that can't be read.
/// Such a document must not make the release unreadable: then neither a plan nor a destroy would work any longer.
fn documents(manifest: &str) -> (Vec<Json>, Vec<String>) {
    let (mut objects, mut unreadable) = (Vec::new(), Vec::new());
    for document in manifest.split("\n---").map(|document| document.trim_start_matches("---")) {
        // Helm accepts a key that occurs twice, and its last value counts; charts do produce some.
        let options = serde_saphyr::options! { duplicate_keys: DuplicateKeyPolicy::LastWins };
        match serde_saphyr::from_str_with_options::<Json>(document, options) {
            Ok(object) if object.is_object() => objects.push(object),
            Ok(_) => {}
            Err(error) => {
                let source = document.lines().find_map(|line| line.strip_prefix("# Source: ")).unwrap_or("an unnamed template");
                unreadable.push(format!("{source}: not valid YAML: {}", error.without_snippet()));
            }
        }
    }
    (objects, unreadable)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use serde_json::json;

    fn secret(release: &Json) -> Json {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(release.to_string().as_bytes()).unwrap();
        let inner = STANDARD.encode(gzip.finish().unwrap());
        json!({"metadata": {"labels": {"version": "3", "status": "deployed"}}, "data": {"release": STANDARD.encode(inner)}})
    }

    #[test]
    fn a_revision_is_read() {
        let release = json!({
            "name": "istiod", "namespace": "istio-system", "version": 3,
            "info": {"status": "deployed", "description": "Upgrade complete"},
            "chart": {"metadata": {"name": "istiod", "version": "1.31.0", "appVersion": "1.31.0"}},
            "config": {"global": {"network": "us-net"}},
            "manifest": "---\n# Source: a\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n# only a comment\n---\napiVersion: v1\nkind: Service\nmetadata: {name: b}\n",
        });
        let deployed = decode(&secret(&release)).unwrap();
        assert_eq!((deployed.revision, deployed.status, deployed.version.as_str()), (3, ReleaseStatus::Deployed, "1.31.0"));
        assert_eq!((deployed.name.as_str(), deployed.namespace.as_str()), ("istiod", "istio-system"));
        assert_eq!(deployed.manifest.iter().map(|object| object["kind"].as_str().unwrap()).collect::<Vec<_>>(), ["ConfigMap", "Service"]);
        assert_eq!(revision(&secret(&release)), 3);
    }

    #[test]
    fn the_last_of_two_equal_keys_counts_as_in_helm() {
        // Istio's gateway chart with `labels: {app.kubernetes.io/part-of: platform}`.
        let manifest = "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  labels:\n    part-of: istio\n    part-of: platform\n";
        let deployed = decode(&secret(&json!({"manifest": manifest}))).unwrap();
        assert_eq!((&deployed.manifest[0]["metadata"]["labels"], deployed.unreadable.len()), (&json!({"part-of": "platform"}), 0));
    }

    #[test]
    fn a_document_that_is_not_yaml_does_not_make_the_release_unreadable() {
        let manifest = "---\n# Source: istiod/templates/a.yaml\nkind: [\n---\napiVersion: v1\nkind: Service\nmetadata: {name: b}\n";
        let deployed = decode(&secret(&json!({"manifest": manifest}))).unwrap();
        assert_eq!(deployed.manifest.len(), 1);
        assert!(deployed.unreadable[0].starts_with("istiod/templates/a.yaml: not valid YAML: "), "{:?}", deployed.unreadable);
    }

    #[test]
    fn pending_is_seen_by_the_label() {
        assert!(is_pending(&json!({"metadata": {"labels": {"status": "pending-upgrade"}}})));
        assert!(!is_pending(&secret(&json!({}))));
        assert!(decode(&json!({"data": {}})).unwrap_err().contains("no key `release`"));
    }

    #[test]
    fn what_somebody_else_is_at_work_on_is_not_abandoned() {
        let now = time::macros::datetime!(2030-01-01 00:00 UTC);
        let begun = |labels: Json, at: &str| json!({"metadata": {"labels": labels, "creationTimestamp": at}});
        assert!(!is_abandoned(&begun(json!({}), "2029-12-31T23:55:00Z"), now));
        assert!(is_abandoned(&begun(json!({}), "2029-12-31T23:45:00Z"), now));
        assert!(is_abandoned(&begun(json!({INSTALLED_BY: MANAGER}), "2029-12-31T23:59:59Z"), now), "a run of our own was killed");
    }
}
