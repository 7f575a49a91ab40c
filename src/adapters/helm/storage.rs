//! Helm's storage: each revision of a release is a Secret or a ConfigMap with the release as JSON, compressed and encoded.

use std::io::Read as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::read::GzDecoder;
use serde_json::{Value as Json, json};
use serde_saphyr::options::DuplicateKeyPolicy;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::data::{Deployed, INSTALLED_BY, Kind, MANAGER, Mark, ReleaseStatus};

/// The kind of object in which Helm keeps its releases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// Helm's own choice.
    Secrets,
    /// For clusters in which Helm may not read Secrets.
    ConfigMaps,
}

impl Storage {
    /// Parses a name that Helm's `HELM_DRIVER` can have.
    pub fn parse(driver: &str) -> Result<Self, String> {
        match driver {
            "secret" => Ok(Self::Secrets),
            "configmap" => Ok(Self::ConfigMaps),
            other => Err(format!("must be `secret` or `configmap`, got `{other}`.")),
        }
    }

    /// Returns the name that Helm has for it.
    pub(super) fn driver(self) -> &'static str {
        match self {
            Self::Secrets => "secret",
            Self::ConfigMaps => "configmap",
        }
    }

    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Secrets => Kind::SECRET,
            Self::ConfigMaps => Kind::CONFIG_MAP,
        }
    }

    pub(super) fn other(self) -> Self {
        match self {
            Self::Secrets => Self::ConfigMaps,
            Self::ConfigMaps => Self::Secrets,
        }
    }
}

/// Returns the number of a revision.
pub(super) fn revision(secret: &Json) -> u64 {
    secret["metadata"]["labels"]["version"].as_str().and_then(|version| version.parse().ok()).unwrap_or_default()
}

/// Returns namespace and name of a revision's release.
pub(super) fn release(secret: &Json) -> (&str, &str) {
    let metadata = &secret["metadata"];
    (metadata["namespace"].as_str().unwrap_or_default(), metadata["labels"]["name"].as_str().unwrap_or_default())
}

/// Returns whether an operation on the release has begun and not ended.
pub(super) fn is_in_flight(secret: &Json) -> bool {
    status(secret).starts_with("pending-") || is_uninstalling(secret)
}

/// Returns whether the release is being uninstalled. Helm can't upgrade such a release.
pub(super) fn is_uninstalling(secret: &Json) -> bool {
    status(secret) == "uninstalling"
}

fn status(secret: &Json) -> &str {
    secret["metadata"]["labels"]["status"].as_str().unwrap_or_default()
}

/// The label with the run of Helm that made the revision.
const RUN: &str = "mesh.terraform.io/run";
/// The label with the time at which that run ends at the latest, in seconds since 1970.
const UNTIL: &str = "mesh.terraform.io/until";
/// The label with the run of Helm that uninstalls the release.
const REMOVED_BY: &str = "mesh.terraform.io/removed-by";

/// Returns the run that a revision was made by, or by which one before it was: somebody else's Helm hands on the labels.
pub(super) fn run(revision: &Json) -> Option<&str> {
    revision["metadata"]["labels"][RUN].as_str()
}

/// Returns the labels of a revision that is to be made by a run, as an argument of Helm.
pub(super) fn labels(run: &str, until: OffsetDateTime, mark: Option<&Mark>) -> String {
    let own = [(INSTALLED_BY, MANAGER.to_owned()), (RUN, run.to_owned()), (UNTIL, until.unix_timestamp().to_string())];
    let labels = own.into_iter().chain(mark.map(Mark::labels).into_iter().flatten());
    labels.map(|(label, value)| format!("{label}={value}")).collect::<Vec<_>>().join(",")
}

/// Returns whether a run of this provider made a revision, which is one of `revisions`. An upgrade or rollback by somebody else takes over
/// the labels of the revision before it, ours among them.
pub(super) fn is_of_a_run_of_ours(revision: &Json, revisions: &[Json]) -> bool {
    let labels = &revision["metadata"]["labels"];
    let is_other = |other: &&Json| self::revision(other) != self::revision(revision);
    let is_inherited = |run: &Json| revisions.iter().filter(is_other).any(|other| other["metadata"]["labels"][RUN] == *run);
    labels[INSTALLED_BY] == MANAGER && (!labels[RUN].is_string() || !is_inherited(&labels[RUN]))
}

/// Returns the manifest that marks a revision as being uninstalled by a run. Nothing is applied if the revision is gone.
pub(super) fn removal_mark(storage: Storage, revision: &Json, run: &str, until: OffsetDateTime) -> Json {
    let metadata = &revision["metadata"];
    json!({
        "apiVersion": "v1", "kind": storage.kind().kind,
        "metadata": {
            "name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"],
            "labels": {REMOVED_BY: run, UNTIL: until.unix_timestamp().to_string()},
        },
    })
}

/// How long another Helm than the provider's is assumed to be at work: twice as long as it waits by default.
const ABANDONED: time::Duration = time::Duration::minutes(10);

/// Who is at work on a release with a revision in flight.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Worker {
    /// The process that was has been killed.
    Nobody,
    /// A run of this provider, perhaps; it ends at the latest at this time.
    Ours { run: String, until: OffsetDateTime },
    /// A person, or a pipeline.
    Somebody,
}

/// Returns who is at work on a revision in flight, which is one of `revisions`.
pub(super) fn worker(in_flight: &Json, revisions: &[Json], now: OffsetDateTime) -> Worker {
    let labels = &in_flight["metadata"]["labels"];
    let seconds = |label: &str| OffsetDateTime::from_unix_timestamp(labels[label].as_str()?.parse().ok()?).ok();
    let run = if is_uninstalling(in_flight) {
        labels[REMOVED_BY].as_str()
    } else {
        labels[RUN].as_str().filter(|_| is_of_a_run_of_ours(in_flight, revisions))
    };
    if let (Some(run), Some(until)) = (run, seconds(UNTIL)) {
        return Worker::Ours { run: run.to_owned(), until };
    }
    let created = in_flight["metadata"]["creationTimestamp"].as_str().and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
    let begun = if is_uninstalling(in_flight) { seconds("modifiedAt") } else { created };
    if begun.is_none_or(|begun| now - begun > ABANDONED) { Worker::Nobody } else { Worker::Somebody }
}

/// Decodes a revision. An error describes what can't be decoded.
pub(super) fn decode(storage: Storage, object: &Json) -> Result<Deployed, String> {
    let kind = storage.kind().kind;
    let encoded = object["data"]["release"].as_str().ok_or_else(|| format!("The {kind} has no key `release`."))?;
    let inner = match storage {
        // Once by the API, once by Helm.
        Storage::Secrets => STANDARD.decode(encoded).map_err(|error| format!("The {kind}'s data is not base64: {error}."))?,
        Storage::ConfigMaps => encoded.as_bytes().to_vec(),
    };
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
        is_ours: object["metadata"]["labels"][INSTALLED_BY] == MANAGER,
        mark: Mark::of(object),
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
        let deployed = decode(Storage::Secrets, &secret(&release)).unwrap();
        assert_eq!((deployed.revision, deployed.status, deployed.version.as_str()), (3, ReleaseStatus::Deployed, "1.31.0"));
        assert_eq!((deployed.name.as_str(), deployed.namespace.as_str()), ("istiod", "istio-system"));
        assert_eq!(deployed.manifest.iter().map(|object| object["kind"].as_str().unwrap()).collect::<Vec<_>>(), ["ConfigMap", "Service"]);
        assert_eq!(revision(&secret(&release)), 3);
    }

    #[test]
    fn a_revision_in_a_config_map_is_read_too() {
        let release = json!({"name": "istiod", "version": 3, "info": {"status": "deployed"}});
        let mut object = secret(&release);
        // The API encodes the data of Secrets only.
        let inner = String::from_utf8(STANDARD.decode(object["data"]["release"].as_str().unwrap()).unwrap()).unwrap();
        object["data"]["release"] = json!(inner);
        assert_eq!(decode(Storage::ConfigMaps, &object).unwrap().revision, 3);
        assert!(decode(Storage::ConfigMaps, &json!({})).unwrap_err().contains("ConfigMap"));
        for storage in [Storage::Secrets, Storage::ConfigMaps] {
            assert_eq!(Storage::parse(storage.driver()), Ok(storage));
        }
    }

    #[test]
    fn the_last_of_two_equal_keys_counts_as_in_helm() {
        // Istio's gateway chart with `labels: {app.kubernetes.io/part-of: platform}`.
        let manifest = "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  labels:\n    part-of: istio\n    part-of: platform\n";
        let deployed = decode(Storage::Secrets, &secret(&json!({"manifest": manifest}))).unwrap();
        assert_eq!((&deployed.manifest[0]["metadata"]["labels"], deployed.unreadable.len()), (&json!({"part-of": "platform"}), 0));
    }

    #[test]
    fn a_document_that_is_not_yaml_does_not_make_the_release_unreadable() {
        let manifest = "---\n# Source: istiod/templates/a.yaml\nkind: [\n---\napiVersion: v1\nkind: Service\nmetadata: {name: b}\n";
        let deployed = decode(Storage::Secrets, &secret(&json!({"manifest": manifest}))).unwrap();
        assert_eq!(deployed.manifest.len(), 1);
        assert!(deployed.unreadable[0].starts_with("istiod/templates/a.yaml: not valid YAML: "), "{:?}", deployed.unreadable);
    }

    #[test]
    fn an_operation_in_flight_is_seen_by_the_label() {
        for (status, in_flight) in [("pending-upgrade", true), ("pending-rollback", true), ("uninstalling", true), ("deployed", false)] {
            assert_eq!(is_in_flight(&json!({"metadata": {"labels": {"status": status}}})), in_flight, "{status}");
        }
        assert!(decode(Storage::Secrets, &json!({"data": {}})).unwrap_err().contains("no key `release`"));
    }

    const NOW: OffsetDateTime = time::macros::datetime!(2030-01-01 00:00 UTC);

    fn revision_with(number: u64, status: &str, labels: &[(&str, &str)], created: &str) -> Json {
        let mut revision = json!({"metadata": {"creationTimestamp": created, "labels": {"version": number.to_string(), "status": status}}});
        for (label, value) in labels {
            revision["metadata"]["labels"][*label] = json!(value);
        }
        revision
    }

    const OURS: [(&str, &str); 3] = [(INSTALLED_BY, MANAGER), (RUN, "here.abc"), (UNTIL, "1893456300")];

    #[test]
    fn a_pending_revision_of_a_run_of_ours_names_the_run() {
        let former = revision_with(1, "deployed", &[(INSTALLED_BY, MANAGER), (RUN, "here.before")], "2029-12-31T20:00:00Z");
        let pending = revision_with(2, "pending-upgrade", &OURS, "2029-12-31T23:59:00Z");
        let until = time::macros::datetime!(2030-01-01 00:05 UTC);
        assert_eq!(worker(&pending, &[former, pending.clone()], NOW), Worker::Ours { run: "here.abc".to_owned(), until });
    }

    #[test]
    fn labels_that_an_upgrade_by_somebody_else_has_inherited_are_not_taken_for_ours() {
        let former = revision_with(1, "deployed", &OURS, "2029-12-31T20:00:00Z");
        for (created, expected) in [("2029-12-31T23:55:00Z", Worker::Somebody), ("2029-12-31T23:45:00Z", Worker::Nobody)] {
            let pending = revision_with(2, "pending-upgrade", &OURS, created);
            assert_eq!(worker(&pending, &[former.clone(), pending.clone()], NOW), expected, "{created}");
        }
    }

    #[test]
    fn an_uninstall_is_ours_if_it_is_marked_so() {
        let labels = [OURS.as_slice(), &[("modifiedAt", "1893455940")]].concat();
        let theirs = revision_with(1, "uninstalling", &labels, "2029-01-01T00:00:00Z");
        assert_eq!(worker(&theirs, std::slice::from_ref(&theirs), NOW), Worker::Somebody);
        let ours = revision_with(1, "uninstalling", &[labels.as_slice(), &[(REMOVED_BY, "here.xyz")]].concat(), "2029-01-01T00:00:00Z");
        assert!(matches!(worker(&ours, std::slice::from_ref(&ours), NOW), Worker::Ours { run, .. } if run == "here.xyz"));
    }
}
