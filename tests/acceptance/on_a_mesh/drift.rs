//! A manual change of an object shows up in the next plan, and the next apply reverts it, unless somebody else owns the field.

use super::Mesh;
use crate::workspace::unwrapped;

pub(super) fn manual_changes_are_planned_and_reverted(mesh: &Mesh) {
    let Mesh { us, eu, workspace, .. } = mesh;
    let permissive = r#"{"spec":{"mtls":{"mode":"PERMISSIVE"}}}"#;
    let without_port = r#"[{"op":"remove","path":"/spec/ports/3"}]"#;
    let other_port = r#"[{"op":"replace","path":"/spec/ports/0/port","value":8888}]"#;
    let changes: [(_, &[&str], &[&str]); 7] = [
        (us, &["scale", "-n", "istio-system", "deployment/istiod", "--replicas=2"], &["Deployment istio-system/istiod", "spec.replicas"]),
        (us, &["delete", "-n", "istio-system", "serviceaccount/istio-reader-service-account"], &["istio-reader-service-account", "gone"]),
        (
            us,
            &["label", "namespace", "istio-system", "topology.istio.io/network=elsewhere", "--overwrite"],
            &["Namespace istio-system", "elsewhere"],
        ),
        (us, &["patch", "-n", "istio-system", "peerauthentication/default", "--type=merge", "-p", permissive], &["PERMISSIVE"]),
        (us, &["delete", "-n", "istio-system", "serviceentry", "--all"], &["ServiceEntry", "gone"]),
        (
            eu,
            &["patch", "-n", "istio-system", "service/istio-eastwestgateway", "--type=json", "-p", without_port],
            &["Service istio-system/istio-eastwestgateway", "spec.ports"],
        ),
        (eu, &["patch", "-n", "echo", "service/echo", "--type=json", "-p", other_port], &["8888"]),
    ];
    for (cluster, change, _) in &changes {
        cluster.kubectl(change).expect("changed manually");
    }
    let plan = unwrapped(&workspace.changes());
    for (_, change, words) in &changes {
        for word in *words {
            assert!(plan.contains(word), "the plan doesn't report {change:?} ({word}):\n{plan}");
        }
    }
    assert!(!plan.contains("must be replaced"), "{plan}");
    workspace.apply();
    workspace.assert_settled();
    // The Service of the users is theirs: the export follows its port, and follows it back.
    eu.kubectl(&["patch", "-n", "echo", "service/echo", "--type=json", "-p", &other_port.replace("8888", "80")]).expect("changed back");
    workspace.apply();
}

pub(super) fn fields_that_others_own_are_no_drift(mesh: &Mesh) {
    let Mesh { us, workspace, .. } = mesh;
    let scale = |replicas: &str| us.kubectl(&["scale", "-n", "istio-system", "deployment/istiod", replicas]).expect("scaled");
    let before = workspace.read("main.tf");
    let values = "  values       = var.values.istiod";
    workspace.edit(values, &format!("{values}\n  ignore_drift = [\"Deployment istio-system/istiod: spec.replicas\"]"));
    workspace.apply();
    scale("--replicas=2");
    workspace.assert_settled();

    us.kubectl(&["label", "-n", "istio-system", "deployment/istiod", "app=somebodys", "--overwrite"]).expect("labelled");
    let plan = unwrapped(&workspace.changes());
    assert!(plan.contains("somebodys") && !plan.contains("spec.replicas"), "{plan}");
    workspace.apply();
    workspace.assert_settled();

    scale("--replicas=2");
    workspace.write("main.tf", &before);
    let plan = unwrapped(&workspace.changes());
    assert!(plan.contains("spec.replicas"), "{plan}");
    workspace.apply();
    workspace.assert_settled();
    let replicas = us.kubectl(&["get", "-n", "istio-system", "deployment/istiod", "-o", "jsonpath={.spec.replicas}"]).expect("istiod");
    assert_eq!(replicas, "1");
}

pub(super) fn another_helm_and_a_deleted_definition_are_planned_and_reverted(mesh: &Mesh) {
    let Mesh { lab, us, workspace, .. } = mesh;
    let charts = lab.charts();
    // Of the same version and with the same values: only the revision is another.
    let upgrade =
        ["upgrade", "istiod", "istiod", "-n", "istio-system", "--repo", &charts.http, "--version", charts.version, "--reuse-values"];
    us.helm(&[&upgrade[..], &["--wait"]].concat()).expect("upgraded");
    let plan = unwrapped(&workspace.changes());
    assert!(plan.contains("was made by somebody else, after revision"), "{plan}");
    workspace.apply();
    workspace.assert_settled();

    let definition = "wasmplugins.extensions.istio.io";
    us.kubectl(&["delete", "crd", definition]).expect("deleted");
    let plan = unwrapped(&workspace.changes());
    assert!(plan.contains(&format!("CustomResourceDefinition {definition}: it is gone")), "{plan}");
    workspace.apply();
    workspace.assert_settled();
    us.kubectl(&["get", "wasmplugins", "-A"]).expect("served again");
}
