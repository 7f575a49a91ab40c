//! The example `article`: a mesh out of the files of a manual setup, of which no key was changed.

use crate::{
    fixture::{bare_clusters, both, variables},
    traffic::{HOST, call_host_until_ok, restart_workloads},
    workspace::{Workspace, clis, unwrapped},
};

#[test]
#[ignore = "over a minute: the mesh of both CLIs"]
fn the_files_of_a_manual_setup_make_a_mesh_as_they_are() {
    for cli in clis(&crate::fixture::lab()) {
        let lab = bare_clusters();
        let workspace = Workspace::of_example(&cli, "article");
        workspace.write("terraform.tfvars.json", &variables(&lab).to_string());
        let applied = unwrapped(&workspace.apply());
        for warning in [
            "Helm value global.trustDomain has no effect",
            "PILOT_ENABLE_MULTINETWORK has no effect",
            "Keys of serviceentry.yaml without a counterpart: spec.endpoints[0].address, spec.location.",
        ] {
            assert!(applied.contains(warning), "{}: no warning `{warning}` in:\n{applied}", cli.name);
        }
        assert!(!applied.contains("Keys of eastwest-gateway.yaml"), "{applied}");
        workspace.assert_settled();
        restart_workloads(&lab);
        let answer = call_host_until_ok(&lab);
        assert!(answer.contains("Cluster=eu") && answer.contains("URI=spiffe://corp.local/ns/echo/sa/client"), "{}: {answer}", cli.name);
        let (us, _) = both(&lab);
        let connected =
            us.exec("echo", "deploy/client", &["curl", "-s", "-o", "/dev/null", "-w", "%{remote_ip}", &format!("http://{HOST}")]);
        assert_eq!(String::from_utf8_lossy(&connected.expect("exec").stdout), "240.0.0.2", "{}: the file's address", cli.name);
        workspace.destroy();
    }
}
