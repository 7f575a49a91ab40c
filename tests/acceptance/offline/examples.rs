//! The examples that need no mesh to be valid.

use crate::{
    fixture::{REQUIREMENT, example_file, lab},
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
