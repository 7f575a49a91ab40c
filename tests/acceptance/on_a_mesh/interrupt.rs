//! Ctrl-C during a wait, and a Helm that was killed or is still at work.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use super::{Mesh, balancer::second_gateway};

pub(super) fn an_interrupted_wait_ends_at_once_and_saves_the_state(mesh: &Mesh) {
    mesh.eu.balancer().never().expect("never");
    let workspace = second_gateway(mesh, "");
    let child = workspace
        .command(&["apply", "-auto-approve", "-no-color"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the CLI starts");
    let service = ["get", "service", "-n", "istio-system", "second-gateway", "--ignore-not-found", "-o", "name"];
    let begin = Instant::now();
    while mesh.eu.kubectl(&service).expect("services").trim().is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(120), "no gateway to wait for");
        std::thread::sleep(Duration::from_millis(500));
    }
    // Helm waits for the pods first; the wait for the address follows.
    mesh.eu.wait_ready("istio-system", "second-gateway").expect("ready");
    std::thread::sleep(Duration::from_secs(5));
    let interrupted = Instant::now();
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(status.success());
    let output = child.wait_with_output().expect("ended");
    let took = interrupted.elapsed();
    assert!(!output.status.success(), "an interrupted apply succeeded");
    // The CLI itself takes a moment; the wait would have gone on for minutes.
    assert!(took < Duration::from_secs(10), "{}: {took:?} from Ctrl-C to the end", mesh.cli.name);
    let listed = workspace.succeed(&["state", "list"]);
    assert!(listed.contains("mesh_eastwest_gateway.second"), "{}: the gateway is not in the state:\n{listed}", mesh.cli.name);
    mesh.eu.balancer().ip().expect("as usual");
    workspace.apply();
    workspace.assert_settled();
    workspace.destroy();
}

/// The provider waits for another's Helm that is at work on a release, and takes over what a killed Helm of its own has left.
pub(super) fn a_pending_release_is_left_to_the_helm_that_works_on_it(mesh: &Mesh) {
    let Mesh { us, workspace, .. } = mesh;
    workspace.edit("mtls_mode    = \"STRICT\"", "mtls_mode    = \"PERMISSIVE\"");
    let deployed = ["get", "secrets", "-n", "istio-system", "-l", "owner=helm,name=istiod,status=deployed", "-o", "name"];
    let secret = us.kubectl(&deployed).expect("a release").trim().to_owned();
    let revision = secret.rsplit_once("istiod.").expect("a revision").1;
    let label = |label: &str| {
        us.kubectl(&["label", "-n", "istio-system", &secret, "--overwrite", "status=pending-upgrade", label]).expect("labelled");
    };
    label("mesh.terraform.io/installed-by=somebody-else");
    let refused = workspace.fail(&["apply", "-auto-approve", "-no-color"]);
    assert!(refused.contains("Somebody else's Helm is at work on the release"), "{refused}");
    assert!(refused.contains(&format!("istiod.{revision} is pending")), "{refused}");
    label("mesh.terraform.io/installed-by=terraform-provider-mesh");
    workspace.apply();
    workspace.assert_settled();
    workspace.edit("mtls_mode    = \"PERMISSIVE\"", "mtls_mode    = \"STRICT\"");
    workspace.apply();
}
