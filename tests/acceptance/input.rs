//! Bad input is refused at its attribute, before anything is touched.

use mesh_lab::Lab;

use crate::{
    mesh::{bare_clusters, both, example},
    workspace::{Cli, Workspace, clis},
};

const EXPORT: &str = r#"
resource "mesh_service_export" "bad" {
  host      = "echo.eu.mesh.local"
  gateway   = { cluster = "eu", namespace = "istio-system", name = "istio-eastwestgateway", addresses = ["198.51.100.130"] }
  namespace = "echo"
  service   = "echo"
  importers = ["us"]
}
"#;

fn configuration(lab: &Lab, provider: &str, resources: &str) -> String {
    let (us, eu) = both(lab);
    format!(
        "terraform {{\n  required_providers {{\n    mesh = {{ source = \"terraform-provider-mesh/mesh\" }}\n  }}\n}}\nprovider \"mesh\" {{\n  clusters = {{ us = \
         {{ config_path = \"{}\" }}, eu = {{ config_path = \"{}\" }} }}\n  {provider}\n}}\n{resources}",
        us.kubeconfig_path().display(),
        eu.kubeconfig_path().display()
    )
}

fn refused(lab: &Lab, cli: &Cli, verb: &str, provider: &str, resources: &str) -> String {
    let workspace = Workspace::new(cli, &configuration(lab, provider, resources));
    match verb {
        "apply" => workspace.fail(&["apply", "-auto-approve", "-no-color"]),
        verb => workspace.fail(&[verb, "-no-color"]),
    }
}

#[test]
fn bad_input_is_refused_at_its_attribute() {
    let lab = bare_clusters();
    let export = |from: &str, to: &str| EXPORT.replace(from, to);
    let cluster = |attributes: &str| {
        format!("resource \"mesh_cluster\" \"bad\" {{\n  cluster = \"us\"\n  mesh_id = \"m\"\n  network = \"n\"\n  {attributes}\n}}\n")
    };
    let cases = [
        // (when, provider, resources, what the message says, the attribute's line as the CLI quotes it)
        (
            "plan",
            "",
            export("importers = [\"us\"]", "importers = [\"asia\"]"),
            "has no cluster `asia`; it has `eu`, `us`",
            "importers = [\"asia\"]",
        ),
        ("validate", "", export("echo.eu.mesh.local", "*.mesh.local"), "\"*.mesh.local\"", "host = \"*.mesh.local\""),
        ("validate", "", export("echo.eu.mesh.local", "echo"), "\"echo\"", "host = \"echo\""),
        ("validate", "", export("importers = [\"us\"]", "importers = [\"us\"]\n  vip = \"8.8.8.8\""), "8.8.8.8", "vip = \"8.8.8.8\""),
        (
            "validate",
            "",
            export("importers = [\"us\"]", "importers = [\"us\"]\n  vip = \"240.0.0.2/32\""),
            "240.0.0.2/32",
            "vip = \"240.0.0.2/32\"",
        ),
        (
            "validate",
            "",
            export("importers = [\"us\"]", "importers = [\"us\"]\n  ports = [{ number = 70000, protocol = \"HTTP\" }]"),
            "70000",
            "Invalid ports[0].number",
        ),
        ("validate", "", export("importers = [\"us\"]", "importers = [\"eu\"]"), "is the exporting cluster", "importers = [\"eu\"]"),
        ("validate", "", cluster("values = [\"a: [1,\\n  b: }\"]"), "line 1, column", "values = ["),
        ("validate", "", cluster("mtls_mode = \"strict\""), "STRICT", "mtls_mode = \"strict\""),
        ("validate", "", cluster("timeouts = { create = \"soon\" }"), "`soon` is not a duration", "Invalid timeouts.create"),
        ("plan", "helm = { binary = \"/nowhere/helm\" }", cluster(""), "/nowhere/helm", "helm"),
        ("apply", "", export("service   = \"echo\"", "service   = \"ecko\""), "has the Services `echo`", "service = \"ecko\""),
    ];
    for cli in clis(&lab) {
        for (verb, provider, resources, message, line) in &cases {
            let said = refused(&lab, &cli, verb, provider, resources);
            assert!(said.contains(message), "{} {verb} doesn't say `{message}`:\n{said}", cli.name);
            assert!(said.contains(line), "{} {verb} doesn't point at `{line}`:\n{said}", cli.name);
        }
    }
}

#[test]
fn clusters_on_one_network_are_warned_of() {
    let lab = bare_clusters();
    for cli in clis(&lab) {
        let workspace = example(&lab, &cli);
        let main = std::fs::read_to_string(workspace.path("main.tf")).expect("the example");
        workspace.write("main.tf", &main.replace("\"${each.key}-net\"", "\"flat\""));
        let plan = crate::workspace::unwrapped(&workspace.succeed(&["plan", "-no-color"]));
        assert!(plan.contains("Clusters share a network") && plan.contains("no east-west gateway"), "{}: {plan}", cli.name);
    }
}

#[test]
fn a_plan_needs_no_cluster() {
    let lab = bare_clusters();
    let (us, eu) = both(&lab);
    us.stop_api_server().expect("stopped");
    eu.stop_api_server().expect("stopped");
    for cli in clis(&lab) {
        let workspace = example(&lab, &cli);
        assert!(workspace.succeed(&["plan", "-no-color"]).contains("8 to add"));
        // Nor does it need to know how to reach one.
        let main = std::fs::read_to_string(workspace.path("main.tf")).expect("the example");
        let unknown = "resource \"terraform_data\" \"cluster\" { input = \"https://made-in-this-apply.example:6443\" }\n";
        let main = main.replace(
            "clusters = var.clusters\n  helm",
            "clusters = { us = { host = terraform_data.cluster.output, token = \"t\" }, eu = { host = terraform_data.cluster.output, token = \"t\" } }\n  helm",
        );
        workspace.write("main.tf", &format!("{main}{unknown}"));
        assert!(workspace.succeed(&["plan", "-no-color"]).contains("9 to add"));
        let unreachable = example(&lab, &cli).fail(&["apply", "-auto-approve", "-no-color"]);
        assert!(unreachable.contains("198.51.100.11") && unreachable.contains("\"us\""), "{unreachable}");
    }
    us.start_api_server().expect("started");
    eu.start_api_server().expect("started");
}
