//! Releases against a scripted API server, with a `helm` that is a shell script.

mod tries;

use std::{fs, path::Path, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use framework::Deadline;
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use super::{ChartSource, Helm, HelmSettings, PostRenderer, Repository, Storage, timeout};
use crate::{
    adapters::kubernetes::{ok, scripted, status},
    data::{Mark, Release},
    ports::{FailureKind, Releases as _},
};

const SECRETS: &str = "/api/v1/namespaces/istio-system/secrets";

fn minutes() -> Deadline {
    Deadline::after(Duration::from_secs(600), CancellationToken::new())
}

/// Makes a program of a shell script. Another process writes it: while this one has a file open for writing, a process that another test starts may have it, too,
/// and then the file can't be run.
pub(super) fn executable(path: &Path, script: &str) {
    let write = ["-c", "printf %s \"$2\" > \"$1\" && chmod 700 \"$1\"", "sh"];
    let written = std::process::Command::new("sh").args(write).arg(path).arg(script).status().unwrap();
    assert!(written.success());
}

/// A `helm` that writes down its verbs.
fn helm(folder: &Path) -> HelmSettings {
    let path = folder.join("helm");
    let script = format!("#!/bin/sh\n[ \"$1\" = version ] && echo v4.3.1 || echo \"$@\" >> {}\n", folder.join("verbs").display());
    executable(&path, &script);
    let charts = folder.join("charts");
    for chart in ["base", "istiod"] {
        fs::create_dir_all(charts.join(chart)).unwrap();
        fs::write(charts.join(chart).join("Chart.yaml"), "version: 1.31.0\n").unwrap();
    }
    HelmSettings { binary: Some(path), ..HelmSettings::from_source(ChartSource::of(Repository::Directory(charts))) }
}

/// The verbs that `helm` was run with.
fn verbs(folder: &Path) -> Vec<String> {
    let lines = fs::read_to_string(folder.join("verbs")).unwrap_or_default();
    lines.lines().filter_map(|line| line.split(' ').next().map(str::to_owned)).collect()
}

fn revision(number: u32, status: &str, manifest: &str) -> Json {
    let name = format!("sh.helm.release.v1.istiod.v{number}");
    let release = json!({
        "name": "istiod", "namespace": "istio-system", "version": number, "info": {"status": status},
        "chart": {"metadata": {"name": "istiod", "version": "1.31.0"}}, "manifest": manifest,
    });
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {
            "name": name, "namespace": "istio-system", "uid": name, "creationTimestamp": "2999-01-01T00:00:00Z",
            "labels": {"owner": "helm", "name": "istiod", "version": number.to_string(), "status": status, "modifiedAt": "32472144000"},
        },
        "data": {"release": STANDARD.encode(STANDARD.encode(release.to_string()))},
    })
}

fn list(revisions: &[&Json]) -> (u16, String) {
    let items: Vec<_> = revisions.iter().map(|revision| json!({"metadata": revision["metadata"]})).collect();
    ok(&json!({"kind": "PartialObjectMetadataList", "items": items}))
}

fn not_found() -> (u16, String) {
    status(404, "NotFound", "not found")
}

fn release() -> Release {
    Release {
        name: "istiod".to_owned(),
        namespace: "istio-system".to_owned(),
        chart: "istiod".to_owned(),
        version: Some("1.31.0".to_owned()),
        values: json!({}),
        private: Vec::new(),
        takes_ownership: false,
    }
}

#[tokio::test(start_paused = true)]
async fn helm_ends_before_the_deadline() {
    for (given, passed) in [(600, "540s"), (60, "45s"), (20, "10s"), (1, "1s")] {
        assert_eq!(timeout(&Deadline::after(Duration::from_secs(given), CancellationToken::new())), passed, "{given}");
    }
}

#[tokio::test]
async fn an_apply_finishes_an_uninstall_of_ours_that_was_cut_short() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().to_path_buf();
    let (clusters, asked) = scripted(move |_, line| {
        let mut half = revision(1, "uninstalling", "");
        half["metadata"]["labels"]["mesh.terraform.io/removed-by"] = json!("0123456789abcdef.gone");
        half["metadata"]["labels"]["mesh.terraform.io/until"] = json!("1000000000");
        let new = revision(1, "deployed", "");
        match (line, verbs(&home).len()) {
            (line, 0) if line.starts_with("GET") && line.contains('?') => list(&[&half]),
            (line, 1) if line.starts_with("GET") && line.contains('?') => list(&[]),
            (line, 2) if line.starts_with("GET") && line.contains('?') => list(&[&new]),
            (line, 0) if line.starts_with("GET") => ok(&half),
            (line, 2) if line.starts_with("GET") => ok(&new),
            (line, 0) if line.starts_with("PATCH") => ok(&half),
            _ => status(500, "InternalError", line),
        }
    });
    let helm = Helm::new(helm(folder.path()), Arc::new(clusters));
    let deployed = helm.apply("eu", &release(), None, &minutes()).await.unwrap();
    assert_eq!((verbs(folder.path()).as_slice(), deployed.revision), (&["uninstall".to_owned(), "upgrade".to_owned()][..], 1));
    assert!(asked.lock().unwrap().iter().any(|line| line.starts_with("PATCH")), "the removal is marked as ours");
}

#[tokio::test]
async fn a_release_that_somebody_else_is_at_work_on_is_left_alone() {
    for state in ["pending-upgrade", "uninstalling"] {
        let folder = tempfile::tempdir().unwrap();
        let (clusters, _) = scripted(move |_, _| list(&[&revision(1, "deployed", ""), &revision(2, state, "")]));
        let helm = Helm::new(helm(folder.path()), Arc::new(clusters));
        let failure = helm.apply("eu", &release(), None, &minutes()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Conflict, "{failure}");
        assert!(failure.why.contains("istiod.v2 is pending"), "{failure}");
        assert!(verbs(folder.path()).is_empty());
    }
}

#[tokio::test]
async fn after_an_uninstall_only_what_still_belongs_to_the_release_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = "---\napiVersion: v1\nkind: Service\nmetadata: {name: istiod}\n---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: \
                    reader}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: bare}\n";
    let home = folder.path().to_path_buf();
    let live = |uid: &str, release: &str| {
        let annotations = json!({"meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": "istio-system"});
        json!({"metadata": {"uid": uid, "annotations": annotations}})
    };
    let deleted = std::sync::atomic::AtomicBool::new(false);
    let (clusters, asked) = scripted(move |_, line| {
        let newest = revision(1, "deployed", manifest);
        match line {
            line if line.contains("?labelSelector") && verbs(&home).is_empty() => list(&[&newest]),
            line if line.contains("?labelSelector") => list(&[]),
            line if line.contains("sh.helm.release") => ok(&newest),
            "DELETE /api/v1/namespaces/istio-system/services/istiod" => {
                assert_eq!(verbs(&home), ["uninstall"]);
                deleted.store(true, std::sync::atomic::Ordering::Relaxed);
                ok(&json!({"kind": "Status"}))
            }
            "GET /api/v1/namespaces/istio-system/services/istiod" if deleted.load(std::sync::atomic::Ordering::Relaxed) => not_found(),
            "GET /api/v1/namespaces/istio-system/services/istiod" => ok(&live("1", "istiod")),
            "GET /api/v1/namespaces/istio-system/serviceaccounts/reader" => ok(&live("2", "istiod-canary")),
            "GET /api/v1/namespaces/istio-system/configmaps/bare" => ok(&json!({"metadata": {"uid": "3"}})),
            _ => status(403, "Forbidden", line),
        }
    });
    let helm = Helm::new(helm(folder.path()), Arc::new(clusters));
    let left = helm.remove("eu", "istio-system", "istiod", &minutes()).await.unwrap();
    assert!(left.iter().any(|line| line.contains("reader: it belongs to the Helm release istio-system/istiod-canary now")), "{left:?}");
    assert!(left.len() == 2 && left.iter().any(|line| line.contains("bare: it no longer belongs to the release")), "{left:?}");
    let asked = asked.lock().unwrap();
    let deletions: Vec<_> = asked.iter().filter(|line| line.starts_with("DELETE")).collect();
    assert_eq!(deletions, ["DELETE /api/v1/namespaces/istio-system/services/istiod"]);
}

#[tokio::test]
async fn a_refresh_reads_the_newest_revision_only() {
    let folder = tempfile::tempdir().unwrap();
    let (clusters, asked) = scripted(|_, line| match line {
        line if line.contains("?labelSelector") => list(&[&revision(10, "deployed", ""), &revision(9, "superseded", "")]),
        _ => ok(&revision(10, "deployed", "")),
    });
    let helm = Helm::new(helm(folder.path()), Arc::new(clusters));
    assert_eq!(helm.get("eu", "istio-system", "istiod", &minutes()).await.unwrap().unwrap().revision, 10);
    assert_eq!(asked.lock().unwrap()[1..], [format!("GET {SECRETS}/sh.helm.release.v1.istiod.v10")]);
}

#[tokio::test]
async fn a_release_that_can_not_be_read_does_not_hide_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let (clusters, _) = scripted(|_, line| {
        let mut foreign = revision(1, "deployed", "");
        foreign["metadata"]["labels"]["name"] = json!("foreign");
        foreign["metadata"]["name"] = json!("sh.helm.release.v1.foreign.v1");
        foreign["data"]["release"] = json!("bm9uc2Vuc2U=");
        match line {
            line if line.contains("?labelSelector") => list(&[&foreign, &revision(1, "deployed", "")]),
            line if line.contains("foreign") => ok(&foreign),
            _ => ok(&revision(1, "deployed", "")),
        }
    });
    let helm = Helm::new(helm(folder.path()), Arc::new(clusters));
    let found = helm.list("eu", None, &["istiod"], &minutes()).await.unwrap();
    assert_eq!(found.iter().map(|release| release.name.as_str()).collect::<Vec<_>>(), ["istiod"]);
}

#[tokio::test]
async fn a_mark_is_on_the_release_from_the_beginning_and_removed_from_every_revision() {
    let folder = tempfile::tempdir().unwrap();
    let mark = Mark { cluster: "eu".to_owned(), run: "here.abc".to_owned(), until: time::macros::datetime!(2030-01-01 00:10 UTC) };
    let revisions = [revision(3, "deployed", ""), mark.on(revision(2, "failed", "")), mark.on(revision(1, "failed", ""))];
    let (clusters, asked) = scripted(move |_, line| match line {
        line if line.contains("?labelSelector") => list(&revisions.iter().collect::<Vec<_>>()),
        _ => ok(&revisions[0]),
    });
    let helm = Helm::new(helm(folder.path()), Arc::new(clusters));
    helm.apply("eu", &release(), Some(&mark), &minutes()).await.unwrap();
    let labels = "mesh.terraform.io/unfinished=eu,mesh.terraform.io/unfinished-run=here.abc,mesh.terraform.io/unfinished-until=1893456600";
    assert!(fs::read_to_string(folder.path().join("verbs")).unwrap().contains(labels));
    asked.lock().unwrap().clear();
    helm.unmark("eu", "istio-system", "istiod", &minutes()).await.unwrap();
    let changed = |number| format!("PATCH {SECRETS}/sh.helm.release.v1.istiod.v{number}?fieldManager=terraform-provider-mesh");
    assert_eq!(asked.lock().unwrap()[1..], [changed(2), changed(1)]);
}

#[tokio::test]
async fn a_mark_that_an_upgrade_by_somebody_else_has_inherited_does_not_count() {
    let folder = tempfile::tempdir().unwrap();
    let mark = Mark { cluster: "eu".to_owned(), run: "here.abc".to_owned(), until: time::macros::datetime!(2030-01-01 00:10 UTC) };
    for (run, expected) in [("here.2", Some(mark.clone())), ("here.1", None)] {
        let with_run = |number: u32, run: &str| {
            let mut revision = mark.on(revision(number, "deployed", ""));
            revision["metadata"]["labels"]["mesh.terraform.io/installed-by"] = json!("terraform-provider-mesh");
            revision["metadata"]["labels"]["mesh.terraform.io/run"] = json!(run);
            revision
        };
        let (former, newest) = (with_run(1, "here.1"), with_run(2, run));
        let (clusters, _) = scripted(move |_, line| if line.contains("?labelSelector") { list(&[&former, &newest]) } else { ok(&newest) });
        let helm = Helm::new(helm(folder.path()), Arc::new(clusters));
        let found = helm.get("eu", "istio-system", "istiod", &minutes()).await.unwrap().unwrap();
        assert_eq!((found.is_ours, found.mark), (expected.is_some(), expected));
    }
}

/// A `helm` that writes down its arguments, and pulls a chart if it is asked to.
fn pulling_helm(folder: &Path) -> HelmSettings {
    let path = folder.join("helm");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = version ] && echo v4.3.1 && exit\necho \"$@\" >> {}\nif [ \"$1\" = pull ]; then while [ \"$1\" != --destination ]; do \
         shift; done; echo chart > \"$2/istiod-1.31.0.tgz\"; fi\n",
        folder.join("verbs").display()
    );
    executable(&path, &script);
    let source = ChartSource {
        credentials: Some(("ann".to_owned(), crate::data::Secret::new("s3cret"))),
        ..ChartSource::of(Repository::Http("https://charts.example".to_owned()))
    };
    HelmSettings { binary: Some(path), ..HelmSettings::from_source(source) }
}

#[tokio::test]
async fn a_chart_is_fetched_once_for_all_releases_and_removed_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let (clusters, _) = scripted(|_, line| match line {
        line if line.contains("?labelSelector") => list(&[&revision(1, "deployed", "")]),
        _ => ok(&revision(1, "deployed", "")),
    });
    let helm = Helm::new(pulling_helm(folder.path()), Arc::new(clusters));
    let (release, deadline) = (release(), minutes());
    let applies = (0..4).map(|_| helm.apply("eu", &release, None, &deadline));
    futures::future::try_join_all(applies).await.unwrap();
    let mut used = verbs(folder.path());
    used.sort();
    assert_eq!(used, ["pull", "repo", "upgrade", "upgrade", "upgrade", "upgrade"]);
    let lines = fs::read_to_string(folder.path().join("verbs")).unwrap();
    let upgrade = lines.lines().find(|line| line.starts_with("upgrade")).unwrap();
    let chart = Path::new(upgrade.split(' ').nth(3).unwrap()).to_path_buf();
    assert!(chart.exists() && !lines.contains("s3cret") && !upgrade.contains("repository-config"), "{lines}");
    drop(helm);
    assert!(!chart.exists());
}

#[tokio::test]
async fn settings_are_passed_to_helm() {
    let folder = tempfile::tempdir().unwrap();
    let (clusters, _) = scripted(|_, line| match line {
        line if line.contains("?labelSelector") => list(&[&revision(1, "deployed", "")]),
        _ => ok(&revision(1, "deployed", "")),
    });
    let settings = HelmSettings {
        max_history: 0,
        takes_ownership: true,
        validates_openapi: false,
        post_renderer: Some(PostRenderer { program: "cat".into(), args: vec!["-u".to_owned()] }),
        ..helm(folder.path())
    };
    Helm::new(settings, Arc::new(clusters)).apply("eu", &release(), None, &minutes()).await.unwrap();
    let line = fs::read_to_string(folder.path().join("verbs")).unwrap();
    for argument in [
        "--history-max 0",
        "--take-ownership",
        "--disable-openapi-validation",
        "--post-renderer mesh-post-renderer --post-renderer-args=-u",
    ] {
        assert!(line.contains(argument), "{argument}: {line}");
    }
}

/// Helm by itself would go on in the client with a release that Helm 3 has made, and refuse fields that a person has changed.
#[tokio::test]
async fn helm_4_writes_by_server_side_apply_whoever_has_made_the_release_and_helm_3_as_it_always_has() {
    for (version, writes_by_server) in [("v4.3.1", true), ("v3.19.0", false)] {
        let folder = tempfile::tempdir().unwrap();
        let settings = helm(folder.path());
        let program = folder.path().join("helm");
        let script = fs::read_to_string(&program).unwrap();
        fs::write(&program, script.replace("v4.3.1", version)).unwrap();
        // The revision in place says nothing of its apply method, as those of Helm 3 do.
        let (clusters, _) = scripted(|_, line| match line {
            line if line.contains("?labelSelector") => list(&[&revision(1, "deployed", "")]),
            _ => ok(&revision(1, "deployed", "")),
        });
        Helm::new(settings, Arc::new(clusters)).apply("eu", &release(), None, &minutes()).await.unwrap();
        let line = fs::read_to_string(folder.path().join("verbs")).unwrap();
        for argument in ["--server-side=true", "--force-conflicts"] {
            assert_eq!(line.contains(argument), writes_by_server, "{version}: {argument}: {line}");
        }
    }
}

#[tokio::test]
async fn a_release_in_config_maps_is_read_from_there() {
    let folder = tempfile::tempdir().unwrap();
    let (clusters, asked) = scripted(|_, line| {
        let mut stored = revision(1, "deployed", "");
        stored["kind"] = json!("ConfigMap");
        let inner = STANDARD.decode(stored["data"]["release"].as_str().unwrap()).unwrap();
        stored["data"]["release"] = json!(String::from_utf8(inner).unwrap());
        match line {
            line if line.contains("/configmaps?") => list(&[&stored]),
            line if line.contains("/configmaps/") => ok(&stored),
            _ => status(403, "Forbidden", line),
        }
    });
    let settings = HelmSettings { storage: Some(Storage::ConfigMaps), ..helm(folder.path()) };
    let helm = Helm::new(settings, Arc::new(clusters));
    assert_eq!(helm.get("eu", "istio-system", "istiod", &minutes()).await.unwrap().unwrap().revision, 1);
    assert!(asked.lock().unwrap().iter().all(|line| line.contains("configmaps")), "no Secret is asked for");
}

#[tokio::test]
async fn a_release_that_is_stored_elsewhere_is_not_taken_for_gone() {
    let folder = tempfile::tempdir().unwrap();
    let (clusters, _) = scripted(|_, line| if line.contains("/configmaps?") { list(&[&revision(1, "deployed", "")]) } else { list(&[]) });
    let helm = Helm::new(helm(folder.path()), Arc::new(clusters));
    let failure = helm.get("eu", "istio-system", "istiod", &minutes()).await.unwrap_err();
    assert!(failure.why.contains("stored in ConfigMaps") && failure.advice.contains("`configmap`"), "{failure}");
    let failure = helm.remove("eu", "istio-system", "istiod", &minutes()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Conflict, "a destroy would leave it behind");

    let (clusters, _) =
        scripted(|_, line| if line.contains("/secrets?") { list(&[]) } else { status(403, "Forbidden", "configmaps is forbidden") });
    let helm = Helm::new(self::helm(folder.path()), Arc::new(clusters));
    assert!(helm.get("eu", "istio-system", "istiod", &minutes()).await.unwrap().is_none(), "who may not look there has nothing there");
}

#[tokio::test]
async fn nothing_is_read_while_it_is_unknown_where_releases_are() {
    let folder = tempfile::tempdir().unwrap();
    let (clusters, asked) = scripted(|_, _| list(&[]));
    let settings = HelmSettings { storage: None, ..helm(folder.path()) };
    let failure = Helm::new(settings, Arc::new(clusters)).get("eu", "istio-system", "istiod", &minutes()).await.unwrap_err();
    assert!(failure.why.contains("helm.driver") && asked.lock().unwrap().is_empty(), "{failure}");
}
