//! Runs of Helm after passing trouble of an API server.

use super::{super::At, *};

const RESET: &str = "Error: Post \"https://eu/api/v1/namespaces/istio-system/secrets\": read: connection reset by peer";

/// A `helm` that writes down what it is asked, and fails with these words, one line for each of its first runs; `-` is a success.
fn failing_helm(folder: &Path, words: &[&str]) -> HelmSettings {
    let settings = helm(folder);
    fs::write(folder.join("words"), format!("{}\n", words.join("\n"))).unwrap();
    let script = "#!/bin/sh\n[ \"$1\" = version ] && echo v4.3.1 && exit\ncd \"$(dirname \"$0\")\"\necho \"$@\" >> verbs\n\
                  words=$(sed -n \"$(wc -l < verbs)p\" words)\n[ -z \"${words#-}\" ] && exit\nprintf '%b\\n' \"$words\" >&2\nexit 1\n";
    fs::write(folder.join("helm"), script).unwrap();
    settings
}

/// The run that Helm was told the number of, as its label says.
fn run_of(folder: &Path, number: usize) -> String {
    let lines = fs::read_to_string(folder.join("verbs")).unwrap();
    let line = lines.lines().filter(|line| line.starts_with("upgrade")).nth(number - 1).unwrap().to_owned();
    line.split_once("mesh.terraform.io/run=").unwrap().1.split(',').next().unwrap().to_owned()
}

/// A revision that this run has made.
fn made_by(run: &str, mut revision: Json) -> Json {
    revision["metadata"]["labels"]["mesh.terraform.io/installed-by"] = json!("terraform-provider-mesh");
    revision["metadata"]["labels"]["mesh.terraform.io/run"] = json!(run);
    revision["metadata"]["labels"]["mesh.terraform.io/until"] = json!("32472144000");
    revision
}

#[tokio::test]
async fn helm_is_run_again_after_passing_trouble_and_what_it_left_pending_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().to_path_buf();
    let forgotten = std::sync::atomic::AtomicBool::new(false);
    let (clusters, asked) = scripted(move |_, line| {
        let is_forgotten = forgotten.load(std::sync::atomic::Ordering::Relaxed);
        match (line, verbs(&home).len()) {
            (line, 0) if line.contains("?labelSelector") => list(&[]),
            (line, 1) if line.contains("?labelSelector") && is_forgotten => list(&[]),
            (line, 1) if line.contains("?labelSelector") => list(&[&made_by(&run_of(&home, 1), revision(1, "pending-install", ""))]),
            (line, 1) if line.starts_with("DELETE") => {
                forgotten.store(true, std::sync::atomic::Ordering::Relaxed);
                ok(&json!({"kind": "Status"}))
            }
            (line, 1) if line.starts_with("GET") => not_found(),
            (line, 2) if line.contains("?labelSelector") => list(&[&made_by(&run_of(&home, 2), revision(1, "deployed", ""))]),
            (line, 2) if line.starts_with("GET") => ok(&revision(1, "deployed", "")),
            _ => status(403, "Forbidden", line),
        }
    });
    let mark = Mark { cluster: "eu".to_owned(), run: "here.abc".to_owned(), until: time::macros::datetime!(2030-01-01 00:10 UTC) };
    let helm = Helm::new(failing_helm(folder.path(), &[RESET]), Arc::new(clusters));
    helm.apply("eu", &release(), Some(&mark), &minutes()).await.unwrap();
    assert_eq!(verbs(folder.path()), ["upgrade", "upgrade"]);
    assert_ne!(run_of(folder.path(), 1), run_of(folder.path(), 2), "the first one is over, and must look so");
    let lines = fs::read_to_string(folder.path().join("verbs")).unwrap();
    assert!(lines.lines().all(|line| line.contains("mesh.terraform.io/unfinished=eu")), "{lines}");
    let deletions: Vec<_> = asked.lock().unwrap().iter().filter(|line| line.starts_with("DELETE")).cloned().collect();
    assert_eq!(deletions, [format!("DELETE {SECRETS}/sh.helm.release.v1.istiod.v1")]);
}

#[tokio::test]
async fn a_failed_revision_of_the_first_run_is_upgraded_by_the_second() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().to_path_buf();
    let (clusters, asked) = scripted(move |_, line| match (line, verbs(&home).len()) {
        (line, 0) if line.contains("?labelSelector") => list(&[&revision(4, "deployed", "")]),
        (line, 1) if line.contains("?labelSelector") => {
            list(&[&revision(4, "deployed", ""), &made_by(&run_of(&home, 1), revision(5, "failed", ""))])
        }
        (line, 2) if line.contains("?labelSelector") => list(&[&made_by(&run_of(&home, 2), revision(6, "deployed", ""))]),
        (line, 2) if line.starts_with("GET") => ok(&revision(6, "deployed", "")),
        _ => status(403, "Forbidden", line),
    });
    let words = "Error: UPGRADE FAILED: the server is currently unable to handle the request (patch services istiod)";
    let helm = Helm::new(failing_helm(folder.path(), &[words]), Arc::new(clusters));
    assert_eq!(helm.apply("eu", &release(), None, &minutes()).await.unwrap().revision, 6);
    assert!(asked.lock().unwrap().iter().all(|line| line.starts_with("GET")), "nothing is taken away");
}

#[tokio::test]
async fn a_release_that_others_have_changed_between_two_runs_is_left_alone() {
    // Upgraded, upgraded on the base of the first run's revision, and uninstalled.
    for others in [
        vec![revision(4, "superseded", ""), revision(5, "deployed", "")],
        vec![revision(4, "deployed", ""), made_by("first", revision(5, "failed", "")), made_by("first", revision(6, "deployed", ""))],
        vec![],
    ] {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().to_path_buf();
        let (clusters, asked) = scripted(move |_, line| match (line, verbs(&home).len()) {
            (line, 0) if line.contains("?labelSelector") => list(&[&revision(4, "deployed", "")]),
            (line, 1) if line.contains("/secrets?labelSelector") => {
                let first = run_of(&home, 1);
                let mut others = others.clone();
                for revision in others.iter_mut().filter(|revision| revision["metadata"]["labels"]["mesh.terraform.io/run"] == "first") {
                    revision["metadata"]["labels"]["mesh.terraform.io/run"] = json!(first);
                }
                list(&others.iter().collect::<Vec<_>>())
            }
            (line, 1) if line.contains("?labelSelector") => list(&[]),
            _ => status(403, "Forbidden", line),
        });
        let helm = Helm::new(failing_helm(folder.path(), &[RESET]), Arc::new(clusters));
        let failure = helm.apply("eu", &release(), None, &minutes()).await.unwrap_err();
        assert!(failure.kind == FailureKind::Conflict && failure.why.contains("Another Helm has changed or removed"), "{failure}");
        assert!(failure.why.contains("run 2 times") && failure.to_string().contains("connection reset by peer"), "{failure}");
        assert_eq!(verbs(folder.path()), ["upgrade"]);
        assert!(asked.lock().unwrap().iter().all(|line| line.starts_with("GET")));
    }
}

#[tokio::test]
async fn an_install_whose_end_is_not_recorded_is_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().to_path_buf();
    let forgotten = std::sync::atomic::AtomicBool::new(false);
    let (clusters, _) = scripted(move |_, line| {
        let is_forgotten = forgotten.load(std::sync::atomic::Ordering::Relaxed);
        match (line, verbs(&home).len()) {
            (line, 0) if line.contains("?labelSelector") => list(&[]),
            (line, 1) if line.contains("?labelSelector") && is_forgotten => list(&[]),
            (line, 1) if line.contains("?labelSelector") => list(&[&made_by(&run_of(&home, 1), revision(1, "pending-install", ""))]),
            (line, 1) if line.starts_with("DELETE") => {
                forgotten.store(true, std::sync::atomic::Ordering::Relaxed);
                ok(&json!({"kind": "Status"}))
            }
            (line, 1) if line.starts_with("GET") && is_forgotten => not_found(),
            (line, 1) if line.starts_with("GET") => ok(&revision(1, "pending-install", "")),
            (line, 2) if line.contains("?labelSelector") => list(&[&revision(1, "deployed", "")]),
            (line, 2) if line.starts_with("GET") => ok(&revision(1, "deployed", "")),
            _ => status(403, "Forbidden", line),
        }
    });
    let helm = Helm::new(helm(folder.path()), Arc::new(clusters));
    helm.apply("eu", &release(), None, &minutes()).await.unwrap();
    assert_eq!(verbs(folder.path()), ["upgrade", "upgrade"]);
}

#[tokio::test]
async fn what_a_policy_refuses_is_not_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let (clusters, _) = scripted(|_, line| if line.contains("?labelSelector") { list(&[]) } else { not_found() });
    let words = "Error: admission webhook \"validate.kyverno.svc-fail\" denied the request: no owner";
    let helm = Helm::new(failing_helm(folder.path(), &[words]), Arc::new(clusters));
    let failure = helm.apply("eu", &release(), None, &minutes()).await.unwrap_err();
    assert!(failure.kind == FailureKind::Rejected && !failure.why.contains("times"), "{failure}");
    assert_eq!(verbs(folder.path()), ["upgrade"]);
}

#[tokio::test]
async fn an_uninstall_is_not_taken_for_done_while_the_release_is_in_the_storage() {
    // Helm's `--ignore-not-found` ignores a storage that it can't read, too.
    let reset = "level=DEBUG msg=\"uninstall: Failed to delete release\" error=\"[Delete: unexpected EOF]\"\\n\
                 Error: failed to delete release: istiod";
    for first in ["-", reset] {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().to_path_buf();
        let manifest = "---\napiVersion: v1\nkind: Service\nmetadata: {name: istiod}\n";
        let (clusters, asked) = scripted(move |_, line| match (line, verbs(&home).len()) {
            (line, 0) if line.contains("?labelSelector") => list(&[&revision(1, "deployed", manifest)]),
            (line, 1) if line.contains("?labelSelector") => {
                let mut half = revision(1, "uninstalling", manifest);
                half["metadata"]["labels"]["mesh.terraform.io/removed-by"] = json!("0123456789abcdef.gone");
                half["metadata"]["labels"]["mesh.terraform.io/until"] = json!("1000000000");
                list(&[&half])
            }
            (line, 2) if line.contains("?labelSelector") => list(&[]),
            (line, 0 | 1) if line.contains("sh.helm.release") => ok(&revision(1, "deployed", manifest)),
            ("GET /api/v1/namespaces/istio-system/services/istiod", 2) => not_found(),
            _ => status(403, "Forbidden", line),
        });
        let helm = Helm::new(failing_helm(folder.path(), &[first]), Arc::new(clusters));
        assert!(helm.remove("eu", "istio-system", "istiod", &minutes()).await.unwrap().is_empty());
        assert_eq!(verbs(folder.path()), ["uninstall", "uninstall"]);
        assert_eq!(asked.lock().unwrap().iter().filter(|line| line.starts_with("PATCH")).count(), 2, "each run is marked");
    }
}

#[tokio::test]
async fn objects_of_a_release_that_is_gone_after_a_failed_uninstall_are_removed_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().to_path_buf();
    let manifest = "---\napiVersion: v1\nkind: Service\nmetadata: {name: istiod}\n";
    let deleted = std::sync::atomic::AtomicBool::new(false);
    let (clusters, _) = scripted(move |_, line| match (line, verbs(&home).len()) {
        (line, 0) if line.contains("?labelSelector") => list(&[&revision(1, "deployed", manifest)]),
        (line, 1) if line.contains("?labelSelector") => list(&[]),
        (line, 0) if line.contains("sh.helm.release") => ok(&revision(1, "deployed", manifest)),
        ("DELETE /api/v1/namespaces/istio-system/services/istiod", 1) => {
            deleted.store(true, std::sync::atomic::Ordering::Relaxed);
            ok(&json!({"kind": "Status"}))
        }
        ("GET /api/v1/namespaces/istio-system/services/istiod", 1) if deleted.load(std::sync::atomic::Ordering::Relaxed) => not_found(),
        ("GET /api/v1/namespaces/istio-system/services/istiod", 1) => {
            let annotations = json!({"meta.helm.sh/release-name": "istiod", "meta.helm.sh/release-namespace": "istio-system"});
            ok(&json!({"metadata": {"uid": "1", "annotations": annotations}}))
        }
        _ => status(403, "Forbidden", line),
    });
    let words = "Error: uninstallation completed with 1 error(s): Get \"https://eu/api/v1/services\": read: connection reset by peer";
    let helm = Helm::new(failing_helm(folder.path(), &[words]), Arc::new(clusters));
    assert!(helm.remove("eu", "istio-system", "istiod", &minutes()).await.unwrap().is_empty());
    assert_eq!(verbs(folder.path()), ["uninstall"]);
}

#[tokio::test]
async fn a_release_that_others_have_installed_during_an_uninstall_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().to_path_buf();
    let (clusters, asked) = scripted(move |_, line| match (line, verbs(&home).len()) {
        (line, 0) if line.contains("?labelSelector") => list(&[&revision(1, "deployed", "")]),
        (line, 1) if line.contains("?labelSelector") => {
            let mut theirs = revision(1, "deployed", "");
            theirs["metadata"]["uid"] = json!("another");
            list(&[&theirs])
        }
        (line, 0) if line.contains("sh.helm.release") => ok(&revision(1, "deployed", "")),
        _ => status(403, "Forbidden", line),
    });
    let helm = Helm::new(failing_helm(folder.path(), &[RESET]), Arc::new(clusters));
    let failure = helm.remove("eu", "istio-system", "istiod", &minutes()).await.unwrap_err();
    assert!(failure.kind == FailureKind::Conflict && failure.why.contains("Somebody has installed a release of that name"), "{failure}");
    assert!(failure.to_string().contains("connection reset by peer"), "{failure}");
    assert_eq!(verbs(folder.path()), ["uninstall"]);
    assert!(!asked.lock().unwrap().iter().any(|line| line.starts_with("DELETE")));
}

#[tokio::test(start_paused = true)]
async fn an_outage_does_not_end_the_wait_for_another_run() {
    let folder = tempfile::tempdir().unwrap();
    let until = (time::OffsetDateTime::now_utc() + Duration::from_secs(300)).unix_timestamp();
    let begin = tokio::time::Instant::now();
    let (clusters, _) = scripted(move |_, line| {
        let mut pending = made_by("elsewhere.0123456789abcdef", revision(1, "pending-install", ""));
        pending["metadata"]["labels"]["mesh.terraform.io/until"] = json!(until.to_string());
        match begin.elapsed().as_secs() {
            0..3 => list(&[&pending]),
            3..40 => status(503, "ServiceUnavailable", line),
            _ => list(&[&revision(1, "deployed", "")]),
        }
    });
    let helm = Helm::new(helm(folder.path()), Arc::new(clusters));
    let at = At { cluster: "eu", namespace: "istio-system", name: "istiod" };
    let settled = helm.settled("Can't", &at, &minutes()).await.unwrap();
    assert_eq!(settled.expect("a revision")["metadata"]["labels"]["status"], "deployed");
    assert!(begin.elapsed() > Duration::from_secs(37));
}
