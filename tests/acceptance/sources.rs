//! Charts come by HTTP, by OCI and from a directory; Helm is 4.x, and 3.x where the lab has built it.

use crate::{
    mesh::{bare_clusters, both, example},
    workspace::{Workspace, clis},
};

/// One cluster is enough to see that a chart arrives.
fn one_cluster(workspace: &Workspace) {
    let main = std::fs::read_to_string(workspace.path("main.tf")).expect("the example");
    let begin = main.find("resource \"mesh_eastwest_gateway\"").expect("the gateway");
    workspace.write("main.tf", &main[..begin]);
}

#[test]
fn charts_come_from_a_registry_a_directory_and_with_either_helm() {
    let lab = bare_clusters();
    let (us, _) = both(&lab);
    let charts = lab.charts();
    let cli = &clis(&lab)[0];
    let mut sources = vec![
        serde_json::json!({"repository": charts.oci, "version": charts.version, "plain_http": true, "binary": lab.binaries().helm}),
        serde_json::json!({"repository": charts.directory, "binary": lab.binaries().helm}),
    ];
    match lab.binaries().helm3 {
        Some(helm3) => sources.push(serde_json::json!({"repository": charts.http, "version": charts.version, "binary": helm3})),
        None => println!("Helm 3 isn't built (`lab build helm3`): this runs with Helm 4 only."),
    }
    for helm in sources {
        println!("from {helm}");
        let workspace = example(&lab, cli);
        one_cluster(&workspace);
        let mut variables: serde_json::Value = serde_json::from_str(&crate::mesh::variables(&lab)).expect("JSON");
        let is_helm3 = helm["binary"] != serde_json::json!(lab.binaries().helm);
        variables["helm"] = helm;
        variables["clusters"].as_object_mut().expect("clusters").remove("eu");
        workspace.write("terraform.tfvars.json", &variables.to_string());
        workspace.apply();
        workspace.assert_settled();
        assert!(us.kubectl(&["get", "deployment", "-n", "istio-system", "istiod"]).is_ok());
        if is_helm3 {
            // What Helm 3 has made, Helm 4 goes on with.
            variables["helm"]["binary"] = serde_json::json!(lab.binaries().helm);
            workspace.write("terraform.tfvars.json", &variables.to_string());
            let main = workspace.read("main.tf");
            workspace.write("main.tf", &main.replace("mtls_mode    = \"STRICT\"", "mtls_mode    = \"PERMISSIVE\""));
            workspace.apply();
            workspace.assert_settled();
        }
        workspace.destroy();
    }
}

#[test]
fn an_upgrade_is_in_place() {
    let lab = bare_clusters();
    let cli = &clis(&lab)[0];
    let workspace = example(&lab, cli);
    one_cluster(&workspace);
    let mut variables: serde_json::Value = serde_json::from_str(&crate::mesh::variables(&lab)).expect("JSON");
    variables["clusters"].as_object_mut().expect("clusters").remove("eu");
    workspace.write("terraform.tfvars.json", &variables.to_string());
    workspace.apply();
    variables["helm"]["version"] = "1.31.1".into();
    workspace.write("terraform.tfvars.json", &variables.to_string());
    // The provider's default is no attribute of the resource: what is installed stays until the resource itself is changed.
    workspace.assert_settled();
    let main = std::fs::read_to_string(workspace.path("main.tf")).expect("the example");
    workspace.write(
        "main.tf",
        &main.replace("  mesh_id      = \"training-mesh\"\n", "  mesh_id      = \"training-mesh\"\n  istio_version = \"1.31.1\"\n"),
    );
    let plan = workspace.changes();
    assert!(plan.contains("1 to change, 0 to destroy"), "{plan}");
    workspace.apply();
    workspace.assert_settled();
    assert_eq!(workspace.state("mesh_cluster.this[\"us\"]")["installed_version"], "1.31.1");
    workspace.destroy();
}
