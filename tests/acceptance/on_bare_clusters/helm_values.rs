//! Helm values that users already have.

use mesh_lab::Lab;

use crate::{
    fixture::{bare_clusters, example_of_one_cluster},
    workspace::{Cli, clis, unwrapped},
};

/// The values file of the article that the project starts from: half of it does nothing in today's Istio.
const ARTICLE: &str = include_str!("../../../examples/article/values-istio.yaml");

#[test]
fn the_articles_values_file_works_and_its_dead_keys_are_named() {
    let lab = bare_clusters();
    let clis = clis(&lab);
    // A cluster for each CLI, at the same time.
    std::thread::scope(|scope| {
        for (cli, cluster) in clis.iter().zip(["us", "eu"]) {
            scope.spawn(|| article_in(&lab, cli, cluster));
        }
    });
}

fn article_in(lab: &Lab, cli: &Cli, cluster: &str) {
    let workspace = example_of_one_cluster(lab, cli, cluster, None);
    // The network is the one of the file.
    workspace.edit("\"${each.key}-net\"", "\"us-net\"");
    workspace.write("values-istio.yaml", ARTICLE);
    workspace.edit("values       = var.values.istiod", "values       = concat([file(\"values-istio.yaml\")], var.values.istiod)");

    let plan = unwrapped(&workspace.succeed(&["plan", "-no-color"]));
    for words in ["global.trustDomain", "meshConfig.trustDomain", "pilot.env.PILOT_ENABLE_MULTINETWORK", "`network`"] {
        assert!(plan.contains(words), "{}: the plan doesn't name {words}:\n{plan}", cli.name);
    }
    // The file's network and mesh are those of the attributes: no warning of them.
    assert!(!plan.contains("global.meshID has no effect"), "{plan}");
    workspace.apply();
    workspace.assert_settled();
    let live = lab.cluster(cluster).expect("a cluster");
    let mesh = live.kubectl(&["get", "configmap", "-n", "istio-system", "istio", "-o", "jsonpath={.data.mesh}"]);
    let mesh = mesh.expect("the mesh's configuration");
    assert!(mesh.contains("trustDomain: corp.local"), "{mesh}");

    // Only a change of meaning is a change.
    let same = ARTICLE.replace("meshID: training-mesh", "meshID:   \"training-mesh\"");
    assert_ne!(same, ARTICLE);
    workspace.write("values-istio.yaml", &format!("# the same, laid out otherwise\n{same}"));
    workspace.assert_settled();
    workspace.destroy();
}
