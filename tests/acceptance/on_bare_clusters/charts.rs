//! Charts come over HTTP, over OCI and from a directory; Helm is 4.x, and 3.x where the lab has built it.

use mesh_lab::Lab;
use serde_json::{Value as Json, json};

use crate::{
    fixture::{bare_clusters, example_of_one_cluster, variables},
    workspace::{Cli, clis},
};

#[test]
fn charts_come_from_a_registry_a_directory_and_with_either_helm() {
    let lab = bare_clusters();
    let charts = lab.charts();
    let cli = &clis(&lab)[0];
    let helm = lab.binaries().helm;
    // Each cluster has its sources, at the same time.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            charts_from(&lab, cli, "us", json!({"repository": charts.oci, "version": charts.version, "plain_http": true, "binary": helm}));
            an_upgrade_is_in_place(&lab, cli, "us");
        });
        scope.spawn(|| {
            charts_from(&lab, cli, "eu", json!({"repository": charts.directory, "binary": helm}));
            match lab.binaries().helm3 {
                Some(helm3) => helm_4_goes_on_with_what_helm_3_made(&lab, cli, "eu", &json!(helm3)),
                None => println!("Helm 3 isn't built (`lab build helm3`): this runs with Helm 4 only."),
            }
        });
    });
}

/// One cluster is enough to see that a chart arrives.
fn charts_from(lab: &Lab, cli: &Cli, cluster: &str, helm: Json) {
    println!("{cluster}: from {helm}");
    let workspace = example_of_one_cluster(lab, cli, cluster, Some(helm));
    workspace.apply();
    workspace.assert_settled();
    lab.cluster(cluster).expect("a cluster").kubectl(&["get", "deployment", "-n", "istio-system", "istiod"]).expect("istiod");
    workspace.destroy();
}

fn helm_4_goes_on_with_what_helm_3_made(lab: &Lab, cli: &Cli, cluster: &str, helm3: &Json) {
    let mut helm = variables(lab)["helm"].clone();
    let helm4 = helm["binary"].clone();
    assert_ne!(helm4, *helm3);
    helm["binary"] = helm3.clone();
    let workspace = example_of_one_cluster(lab, cli, cluster, Some(helm));
    workspace.apply();
    workspace.assert_settled();
    let stored: Json = serde_json::from_str(&workspace.read("terraform.tfvars.json")).expect("JSON");
    let mut stored = stored;
    stored["helm"]["binary"] = helm4;
    workspace.write("terraform.tfvars.json", &stored.to_string());
    workspace.edit("mtls_mode    = \"STRICT\"", "mtls_mode    = \"PERMISSIVE\"\n  dns_capture  = false");
    workspace.apply();
    workspace.assert_settled();
    workspace.destroy();
}

fn an_upgrade_is_in_place(lab: &Lab, cli: &Cli, cluster: &str) {
    let workspace = example_of_one_cluster(lab, cli, cluster, None);
    workspace.apply();
    let mut variables: Json = serde_json::from_str(&workspace.read("terraform.tfvars.json")).expect("JSON");
    variables["helm"]["version"] = "1.31.1".into();
    workspace.write("terraform.tfvars.json", &variables.to_string());
    let plan = workspace.changes();
    assert!(plan.contains("1 to change, 0 to destroy"), "{plan}");
    assert!(plan.contains("\"1.31.0\" -> \"1.31.1\""), "the plan shows both versions: {plan}");
    workspace.apply();
    workspace.assert_settled();
    assert_eq!(workspace.state(&format!("mesh_cluster.this[\"{cluster}\"]"))["installed_version"], "1.31.1");
    workspace.destroy();
}
