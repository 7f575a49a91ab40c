//! The functions' examples, in both CLIs.

use std::path::Path;

use mesh_lab::Lab;

use crate::workspace::{Workspace, clis, unwrapped};

const REQUIREMENT: &str = "terraform {\n  required_providers {\n    mesh = { source = \"terraform-provider-mesh/mesh\" }\n  }\n}\n";

#[test]
fn the_examples_of_the_functions_give_what_they_say() {
    let lab = Lab::attach().expect("a lab; `make lab-up` makes one");
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/functions");
    for cli in clis(&lab) {
        let workspace = Workspace::new(&cli, REQUIREMENT);
        for function in ["sni", "vip", "spiffe_id"] {
            let example = std::fs::read_to_string(examples.join(function).join("function.tf")).expect("an example");
            workspace.write(&format!("{function}.tf"), &example);
        }
        workspace.apply();
        let outputs: serde_json::Value = serde_json::from_str(&workspace.succeed(&["output", "-json"])).expect("JSON");
        assert_eq!(outputs["sni"]["value"], "outbound_.80_._.echo.eu.mesh.local", "{}", cli.name);
        assert_eq!(outputs["identity"]["value"], "spiffe://corp.local/ns/echo/sa/echo");
        assert!(outputs["vips"]["value"]["echo.eu.mesh.local"].as_str().is_some_and(|vip| vip.starts_with("240.241.")));
        workspace.write("sni.tf", "output \"sni\" {\n  value = provider::mesh::sni(80, \"*.mesh.local\")\n}\n");
        let refused = workspace.fail(&["plan", "-no-color"]);
        assert!(unwrapped(&refused).contains("wildcard"), "{refused}");
    }
}
