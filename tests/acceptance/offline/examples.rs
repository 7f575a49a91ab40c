//! The examples that need no mesh to be valid.

use crate::{
    fixture::{REQUIREMENT, example_file, lab, source},
    workspace::{Workspace, clis},
};

#[test]
fn the_examples_of_the_provider_and_of_the_token_are_valid() {
    for cli in clis(&lab()) {
        let token = example_file("ephemeral-resources/mesh_cluster_token/ephemeral-resource.tf");
        let workspace = Workspace::new(&cli, &format!("{REQUIREMENT}\n{}\n{token}", example_file("provider/provider.tf")));
        workspace.write("eu-ca.pem", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n");
        workspace.succeed(&["validate", "-no-color"]);
    }
}

/// Fragments, which refer to what stands elsewhere, are marked as `hcl` in the guides and aren't checked.
#[test]
fn each_configuration_in_the_guides_is_valid() {
    let clis = clis(&lab());
    let mut count = 0;
    let guides = std::fs::read_dir(source("docs/guides")).expect("the guides").map(|entry| entry.expect("an entry").path());
    for guide in guides {
        let text = std::fs::read_to_string(&guide).expect("a guide");
        let blocks: Vec<_> = text.split("```terraform\n").skip(1).filter_map(|rest| rest.split_once("```")).collect();
        count += blocks.len();
        for (cli, (block, _)) in clis.iter().flat_map(|cli| blocks.iter().map(move |block| (cli, block))) {
            let requirement = if block.contains("required_providers") { "" } else { REQUIREMENT };
            let workspace = Workspace::new(cli, &format!("{requirement}\n{block}"));
            std::fs::create_dir(workspace.path("eu")).expect("a folder");
            for file in ["root.pem", "eu/ca-cert.pem", "eu/issuing-ca.pem"] {
                workspace.write(file, "");
            }
            workspace.write("eu-ca.pem", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n");
            workspace.succeed(&["validate", "-no-color"]);
        }
    }
    assert!(count > 15, "only {count} configurations are in the guides");
}
