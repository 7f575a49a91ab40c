//! Ctrl-C during a wait ends it at once, with the state saved.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    mesh::{applied_example, bare_clusters, both, example},
    workspace::clis,
};

#[test]
fn an_interrupted_wait_ends_at_once_and_saves_the_state() {
    let lab = bare_clusters();
    let (_, eu) = both(&lab);
    for cli in clis(&lab) {
        eu.balancer().never().expect("never");
        let workspace = example(&lab, &cli);
        let child = workspace
            .command(&["apply", "-auto-approve", "-no-color"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the CLI starts");
        let service = ["get", "service", "-n", "istio-system", "istio-eastwestgateway", "--ignore-not-found", "-o", "name"];
        let begin = Instant::now();
        while eu.kubectl(&service).expect("services").trim().is_empty() {
            assert!(begin.elapsed() < Duration::from_secs(180), "no gateway to wait for");
            std::thread::sleep(Duration::from_millis(500));
        }
        std::thread::sleep(Duration::from_secs(8));
        let interrupted = Instant::now();
        let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
        assert!(status.success());
        let output = child.wait_with_output().expect("ended");
        let took = interrupted.elapsed();
        assert!(!output.status.success(), "an interrupted apply succeeded");
        // The CLI itself takes a moment; the wait would have gone on for minutes.
        assert!(took < Duration::from_secs(10), "{}: {took:?} from Ctrl-C to the end", cli.name);
        let listed = workspace.succeed(&["state", "list"]);
        assert!(listed.contains("mesh_eastwest_gateway.this[\"eu\"]"), "{}: the gateway is not in the state:\n{listed}", cli.name);
        eu.balancer().ip().expect("as usual");
        workspace.apply();
        workspace.assert_settled();
        workspace.destroy();
    }
}

/// A revision that is pending: nobody comes in the way of somebody else's Helm, and what a killed Helm of ours has left is taken over.
#[test]
fn a_pending_release_is_left_to_who_is_at_work_on_it() {
    let lab = bare_clusters();
    let (us, _) = both(&lab);
    let workspace = applied_example(&lab, &clis(&lab)[0]);
    let main = std::fs::read_to_string(workspace.path("main.tf")).expect("the example");
    workspace.write("main.tf", &main.replace("mtls_mode    = \"STRICT\"", "mtls_mode    = \"PERMISSIVE\""));

    let label = |label: &str| {
        let secret = ["label", "-n", "istio-system", "secret/sh.helm.release.v1.istiod.v1", "--overwrite", "status=pending-upgrade", label];
        us.kubectl(&secret).expect("labelled");
    };
    label("mesh.terraform.io/installed-by=somebody-else");
    let refused = workspace.fail(&["apply", "-auto-approve", "-no-color"]);
    assert!(refused.contains("Somebody else's Helm is at work on the release") && refused.contains("istiod.v1 is pending"), "{refused}");
    label("mesh.terraform.io/installed-by=terraform-provider-mesh");
    workspace.apply();
    workspace.assert_settled();
    workspace.destroy();
}
