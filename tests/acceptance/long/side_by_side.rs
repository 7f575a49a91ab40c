//! Others at work in the same clusters at the same time: another apply, somebody's Helm, somebody's kubectl.

use std::{
    process::Output,
    time::{Duration, Instant},
};

use mesh_lab::Cluster;

use crate::{
    fixture::{bare_clusters, both, example, lab},
    traffic::{call_host_until_ok, restart_workloads},
    workspace::{Workspace, clis, text, unwrapped},
};

const APPLY: [&str; 3] = ["apply", "-auto-approve", "-no-color"];

/// Runs two applies at once. Returns what each printed.
fn at_once(workspaces: [&Workspace; 2]) -> [Output; 2] {
    workspaces.map(|workspace| workspace.start(&APPLY)).map(|child| child.wait_with_output().expect("ended"))
}

/// Two states want the same mesh: one gets it whole, and the other one gets none of it.
#[test]
#[ignore = "takes several minutes"]
fn of_two_states_that_are_applied_at_once_one_gets_the_mesh() {
    for cli in clis(&lab()) {
        let lab = bare_clusters();
        let workspaces = [example(&lab, &cli), example(&lab, &cli)];
        let outputs = at_once([&workspaces[0], &workspaces[1]]);
        let won = outputs.each_ref().map(|output| output.status.success());
        assert_ne!(won[0], won[1], "{}: {}\n{}", cli.name, text(&outputs[0]), text(&outputs[1]));
        let (winner, loser) = if won[0] { (0, 1) } else { (1, 0) };
        let refused = unwrapped(&text(&outputs[loser]));
        assert!(refused.contains("Already exists") || refused.contains("Another apply"), "{refused}");
        workspaces[loser].destroy();
        workspaces[winner].assert_settled();
        restart_workloads(&lab);
        call_host_until_ok(&lab);
        workspaces[winner].destroy();
    }
}

/// One state is applied twice at once, as by two pipelines without a lock on it: nothing is made twice, and the one that ends well has a state
/// with all of it.
#[test]
#[ignore = "takes several minutes"]
fn one_state_that_is_applied_twice_at_once_makes_one_mesh() {
    for cli in clis(&lab()) {
        let lab = bare_clusters();
        let first = example(&lab, &cli);
        let second = first.copy();
        let outputs = at_once([&first, &second]);
        let whole: Vec<_> = [&first, &second].into_iter().zip(&outputs).filter(|(_, output)| output.status.success()).collect();
        assert!(!whole.is_empty(), "{}: {}\n{}", cli.name, text(&outputs[0]), text(&outputs[1]));
        for (workspace, _) in &whole {
            workspace.assert_settled();
        }
        restart_workloads(&lab);
        call_host_until_ok(&lab);
        whole[0].0.destroy();
    }
}

/// Somebody upgrades a release, and edits objects, while an apply is at it. The apply says so or wins; a plain apply afterwards converges.
#[test]
#[ignore = "takes several minutes"]
fn an_apply_beside_somebodys_helm_and_kubectl_converges() {
    for cli in clis(&lab()) {
        let lab = bare_clusters();
        let (us, _) = both(&lab);
        let workspace = example(&lab, &cli);
        workspace.apply();
        restart_workloads(&lab);
        workspace.edit(
            "values       = var.values.istiod",
            "values       = concat(var.values.istiod, [yamlencode({ podAnnotations = { round = \"2\" } })])",
        );

        // Somebody's Helm first, and the apply while it is at work.
        let output = std::thread::scope(|scope| {
            let helm = scope.spawn(|| helm_upgrade(&us, &lab.charts(), "somebody"));
            wait_for_pending(&us);
            let output = workspace.run(&APPLY);
            helm.join().expect("a thread").expect("somebody's upgrade succeeds");
            output
        });
        if !output.status.success() {
            let refused = unwrapped(&text(&output));
            assert!(refused.contains("Somebody else's Helm is at work on the release"), "{refused}");
        }
        workspace.apply();
        workspace.assert_settled();
        assert!(!annotations(&us).contains("somebody"), "the apply sets back what somebody's Helm has changed");

        // The apply first; somebody edits what it has written, while it goes on.
        workspace.edit("round = \"2\"", "round = \"3\"");
        let child = workspace.start(&APPLY);
        wait_for_pending(&us);
        us.kubectl(&["annotate", "-n", "istio-system", "service/istiod", "example.com/by=somebody"]).expect("annotated");
        us.kubectl(&["patch", "-n", "istio-system", "peerauthentication/default", "--type=merge", "-p", PERMISSIVE]).expect("patched");
        let refused = helm_upgrade(&us, &lab.charts(), "too-early").expect_err("Helm has one work at a time");
        assert!(refused.contains("another operation"), "{refused}");
        let output = child.wait_with_output().expect("ended");
        assert!(output.status.success(), "{}: {}", cli.name, text(&output));
        workspace.apply();
        workspace.assert_settled();
        let mode = ["get", "-n", "istio-system", "peerauthentication/default", "-o", "jsonpath={.spec.mtls.mode}"];
        assert_eq!(us.kubectl(&mode).expect("a mode").trim(), "STRICT");
        call_host_until_ok(&lab);
        workspace.destroy();
    }
}

const PERMISSIVE: &str = r#"{"spec":{"mtls":{"mode":"PERMISSIVE"}}}"#;

/// Upgrades istiod as a person does, with a value of their own.
fn helm_upgrade(cluster: &Cluster, charts: &mesh_lab::Charts, by: &str) -> Result<String, String> {
    let value = format!("podAnnotations.by={by}");
    let arguments = [
        "upgrade",
        "istiod",
        "istiod",
        "-n",
        "istio-system",
        "--repo",
        &charts.http,
        "--version",
        charts.version,
        "--reuse-values",
        "--set",
        &value,
        "--wait",
    ];
    cluster.helm(&arguments).map_err(|error| format!("{error:#}"))
}

/// Waits until a Helm is at work on istiod.
fn wait_for_pending(cluster: &Cluster) {
    let pending = ["get", "secrets", "-n", "istio-system", "-l", "owner=helm,name=istiod,status=pending-upgrade", "-o", "name"];
    let begin = Instant::now();
    while cluster.kubectl(&pending).expect("releases").trim().is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(60), "no Helm is at work on istiod");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn annotations(cluster: &Cluster) -> String {
    let template = "jsonpath={.spec.template.metadata.annotations}";
    cluster.kubectl(&["get", "-n", "istio-system", "deployment/istiod", "-o", template]).expect("annotations")
}
