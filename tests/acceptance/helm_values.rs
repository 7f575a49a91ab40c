//! The Helm values that people bring along.

use crate::{
    mesh::{bare_clusters, both, example},
    workspace::{clis, unwrapped},
};

/// The values file of the article that the project starts from: half of it does nothing in today's Istio.
const ARTICLE: &str = include_str!("article-values.yaml");

#[test]
fn the_articles_values_file_works_and_its_dead_keys_are_named() {
    let lab = bare_clusters();
    let (us, _) = both(&lab);
    for cli in clis(&lab) {
        let workspace = example(&lab, &cli);
        workspace.write("values-istio.yaml", ARTICLE);
        let main = std::fs::read_to_string(workspace.path("main.tf")).expect("the example");
        let main =
            main.replace("values       = var.values.istiod", "values       = concat([file(\"values-istio.yaml\")], var.values.istiod)");
        let begin = main.find("resource \"mesh_eastwest_gateway\"").expect("the gateway");
        workspace.write("main.tf", &main[..begin]);
        let mut variables: serde_json::Value = serde_json::from_str(&crate::mesh::variables(&lab)).expect("JSON");
        variables["clusters"].as_object_mut().expect("clusters").remove("eu");
        workspace.write("terraform.tfvars.json", &variables.to_string());

        let plan = unwrapped(&workspace.succeed(&["plan", "-no-color"]));
        for words in ["global.trustDomain", "meshConfig.trustDomain", "pilot.env.PILOT_ENABLE_MULTINETWORK", "`network`"] {
            assert!(plan.contains(words), "{}: the plan doesn't name {words}:\n{plan}", cli.name);
        }
        // The file's network and mesh are those of the attributes: no warning of them.
        assert!(!plan.contains("global.meshID has no effect"), "{plan}");
        workspace.apply();
        workspace.assert_settled();
        let mesh = us
            .kubectl(&["get", "configmap", "-n", "istio-system", "istio", "-o", "jsonpath={.data.mesh}"])
            .expect("the mesh's configuration");
        assert!(mesh.contains("trustDomain: corp.local"), "{mesh}");

        // Only a change of meaning is a change.
        workspace.write(
            "values-istio.yaml",
            &format!("# the same, laid out otherwise\n{}", ARTICLE.replace("meshID: training-mesh", "meshID:   \"training-mesh\"")),
        );
        workspace.assert_settled();
        workspace.destroy();
    }
}
