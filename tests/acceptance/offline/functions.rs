//! The functions' examples, in both CLIs.

use std::{io::Write as _, process::Stdio};

use framework::Provider as _;
use serde_json::json;
use terraform_provider_mesh::provider::Mesh;

use crate::{
    fixture::{REQUIREMENT, example_file, lab},
    workspace::{Workspace, clis, unwrapped},
};

/// Evaluates an expression in the CLI's console.
fn console(workspace: &Workspace, expression: &str) -> String {
    let mut child = workspace.command(&["console"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the CLI starts");
    child.stdin.take().expect("its input").write_all(expression.as_bytes()).expect("written");
    String::from_utf8_lossy(&child.wait_with_output().expect("its answer").stdout).trim().to_owned()
}

#[test]
fn the_examples_of_the_functions_return_what_they_show() {
    for cli in clis(&lab()) {
        let workspace = Workspace::new(&cli, REQUIREMENT);
        for manifest in ["eastwest-gateway.yaml", "serviceentry.yaml"] {
            workspace.write(manifest, &example_file(&format!("article/{manifest}")));
        }
        for function in Mesh.functions() {
            let name = function.name();
            workspace.write(&format!("{name}.tf"), &example_file(&format!("functions/{name}/function.tf")));
        }
        workspace.succeed(&["validate", "-no-color"]);
        workspace.succeed(&["plan", "-no-color", "-out=plan"]);
        let plan: serde_json::Value = serde_json::from_str(&workspace.succeed(&["show", "-json", "plan"])).expect("JSON");
        assert_eq!(plan["planned_values"]["outputs"]["sni"]["value"], "outbound_.80_._.echo.eu.mesh.local", "{}", cli.name);
        // OpenTofu's console has closed its connection to the provider by the time that it evaluates anything.
        if cli.name == "terraform" {
            assert_eq!(
                console(&workspace, "provider::mesh::spiffe_id(\"corp.local\", \"echo\", \"client\")"),
                "\"spiffe://corp.local/ns/echo/sa/client\""
            );
        }
        let applied = unwrapped(&workspace.apply());
        assert!(applied.contains("without a counterpart: spec.endpoints[0].address, spec.location."), "{}: {applied}", cli.name);
        let outputs: serde_json::Value = serde_json::from_str(&workspace.succeed(&["output", "-json"])).expect("JSON");
        assert_eq!(outputs["sni"]["value"], "outbound_.80_._.echo.eu.mesh.local", "{}", cli.name);
        assert_eq!(outputs["identity"]["value"], "spiffe://corp.local/ns/echo/sa/echo");
        assert!(outputs["vips"]["value"]["echo.eu.mesh.local"].as_str().is_some_and(|vip| vip.starts_with("240.241.")));
        assert_eq!(outputs["load_balancer"]["value"]["service.beta.kubernetes.io/aws-load-balancer-scheme"], "internal", "{}", cli.name);
        assert_eq!(outputs["gateway"]["value"]["name"], "istio-eastwestgateway");
        assert_eq!(outputs["entry"]["value"]["vip"], "240.0.0.2");
        assert_eq!(outputs["entry"]["value"]["ports"], json!([{"number": 80, "name": "http", "protocol": "HTTP"}]), "{}", cli.name);
        workspace.write("sni.tf", "output \"sni\" {\n  value = provider::mesh::sni(80, \"*.mesh.local\")\n}\n");
        let refused = workspace.fail(&["plan", "-no-color"]);
        assert!(unwrapped(&refused).contains("wildcard"), "{refused}");
    }
}
