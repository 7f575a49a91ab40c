//! What a person changes by hand shows up in the next plan, and the apply sets it back.

use crate::{
    mesh::{applied_example, bare_clusters, both},
    workspace::{Workspace, clis, unwrapped},
};

#[test]
fn what_was_changed_by_hand_is_planned_and_set_back() {
    let lab = bare_clusters();
    let (us, eu) = both(&lab);
    let cli = &clis(&lab)[0];
    let workspace = applied_example(&lab, cli);

    for (change, cluster, words) in [
        (
            vec!["scale", "-n", "istio-system", "deployment/istiod", "--replicas=2"],
            &us,
            vec!["Deployment istio-system/istiod", "spec.replicas"],
        ),
        (
            vec!["delete", "-n", "istio-system", "serviceaccount/istio-reader-service-account"],
            &us,
            vec!["istio-reader-service-account", "gone"],
        ),
        (
            vec!["label", "namespace", "istio-system", "topology.istio.io/network=elsewhere", "--overwrite"],
            &us,
            vec!["Namespace istio-system", "elsewhere"],
        ),
        (
            vec![
                "patch",
                "-n",
                "istio-system",
                "peerauthentication/default",
                "--type=merge",
                "-p",
                r#"{"spec":{"mtls":{"mode":"PERMISSIVE"}}}"#,
            ],
            &us,
            vec!["PERMISSIVE"],
        ),
        (vec!["delete", "-n", "istio-system", "serviceentry", "--all"], &us, vec!["ServiceEntry", "gone"]),
        (
            vec![
                "patch",
                "-n",
                "istio-system",
                "service/istio-eastwestgateway",
                "--type=json",
                "-p",
                r#"[{"op":"remove","path":"/spec/ports/3"}]"#,
            ],
            &eu,
            vec!["Service istio-system/istio-eastwestgateway", "spec.ports"],
        ),
        (
            vec![
                "patch",
                "-n",
                "echo",
                "service/echo",
                "--type=json",
                "-p",
                r#"[{"op":"replace","path":"/spec/ports/0/port","value":8888}]"#,
            ],
            &eu,
            vec!["8888"],
        ),
    ] {
        cluster.kubectl(&change).expect("changed by hand");
        let plan = unwrapped(&workspace.changes());
        for word in words {
            assert!(plan.contains(word), "the plan doesn't tell of {change:?} ({word}):\n{plan}");
        }
        assert!(!plan.contains("must be replaced"), "{plan}");
        workspace.apply();
        workspace.assert_settled();
    }
    workspace.destroy();
}

#[test]
fn an_unreachable_cluster_loses_no_state() {
    let lab = bare_clusters();
    let (_, eu) = both(&lab);
    for cli in clis(&lab) {
        let workspace = applied_example(&lab, &cli);
        let before = std::fs::read_to_string(workspace.path("terraform.tfstate")).expect("a state");
        eu.stop_api_server().expect("stopped");
        let failed = workspace.fail(&["plan", "-no-color"]);
        assert!(failed.contains("cluster \"eu\"") && failed.contains("198.51.100.12"), "{failed}");
        workspace.fail(&["destroy", "-auto-approve", "-no-color"]);
        workspace.fail(&["apply", "-refresh-only", "-auto-approve", "-no-color"]);
        eu.start_api_server().expect("started");
        let after = std::fs::read_to_string(workspace.path("terraform.tfstate")).expect("a state");
        let addresses = |state: &str| {
            let state: serde_json::Value = serde_json::from_str(state).expect("JSON");
            state["resources"]
                .as_array()
                .expect("resources")
                .iter()
                .map(|resource| resource["instances"].as_array().map_or(0, Vec::len))
                .collect::<Vec<_>>()
        };
        assert_eq!(addresses(&after), addresses(&before), "{}: state was lost", cli.name);
        workspace.assert_settled();
        workspace.destroy();
    }
}

#[test]
fn what_exists_and_is_not_ours_is_left_alone() {
    let lab = bare_clusters();
    let cli = &clis(&lab)[0];
    let first = applied_example(&lab, cli);
    let second: Workspace = crate::mesh::example(&lab, cli);
    let refused = second.fail(&["apply", "-auto-approve", "-no-color"]);
    assert!(
        refused.contains("Already exists") && refused.contains("terraform import mesh_root_ca.<name> us/istio-system/mesh-root-ca"),
        "{refused}"
    );
    first.assert_settled();
    first.destroy();
}
