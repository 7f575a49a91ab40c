//! Invalid input is refused at its attribute, and a plan needs no cluster.

use serde_json::json;

use crate::{
    fixture::{example, lab, provider, resources_of, variables},
    workspace::{Cli, Workspace, clis, unwrapped},
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

fn refused(cli: &Cli, verb: &str, attributes: &str, resources: &str) -> String {
    let workspace = Workspace::new(cli, &format!("{}{resources}", provider(&lab(), attributes)));
    workspace.fail(&[verb, "-no-color"])
}

#[test]
fn invalid_input_is_refused_at_its_attribute() {
    let export = |from: &str, to: &str| {
        assert!(EXPORT.contains(from), "{from}");
        EXPORT.replace(from, to)
    };
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
        ("validate", "", cluster("timeouts = { create = \"soon\" }"), "\"soon\" is not a duration", "Invalid timeouts.create"),
        ("plan", "helm = { binary = \"/nowhere/helm\" }", cluster(""), "/nowhere/helm", "helm"),
    ];
    for cli in clis(&lab()) {
        for (verb, provider, resources, message, line) in &cases {
            let printed = refused(&cli, verb, provider, resources);
            assert!(printed.contains(message), "{} {verb} doesn't print `{message}`:\n{printed}", cli.name);
            assert!(printed.contains(line), "{} {verb} doesn't point at `{line}`:\n{printed}", cli.name);
        }
    }
}

#[test]
fn clusters_on_one_network_get_a_warning() {
    let lab = lab();
    for cli in clis(&lab) {
        let workspace = example(&lab, &cli);
        workspace.edit("\"${each.key}-net\"", "\"flat\"");
        let plan = unwrapped(&workspace.succeed(&["plan", "-no-color"]));
        assert!(plan.contains("Clusters share a network") && plan.contains("no east-west gateway"), "{}: {plan}", cli.name);
    }
}

#[test]
fn a_plan_needs_no_cluster() {
    let lab = lab();
    let mut variables = variables(&lab);
    for cli in clis(&lab) {
        let workspace = example(&lab, &cli);
        // Nothing listens there.
        let access = "clusters = { for key, _ in var.clusters : key => { host = \"https://127.0.0.1:1\", token = \"t\" } }\n  helm";
        workspace.edit("clusters = var.clusters\n  helm", access);
        let count = resources_of(&workspace.read("main.tf"));
        assert!(workspace.succeed(&["plan", "-no-color"]).contains(&format!("Plan: {count} to add, 0 to change")));
        let unreachable = workspace.fail(&["apply", "-auto-approve", "-no-color"]);
        assert!(unreachable.contains("127.0.0.1:1") && unreachable.contains("\"us\""), "{unreachable}");

        // Nor does a plan need to know how to reach one.
        variables["clusters"] = json!({"us": {"config_path": ""}, "eu": {"config_path": ""}});
        let workspace = example(&lab, &cli);
        workspace.write("terraform.tfvars.json", &variables.to_string());
        let access = "clusters = { for key, _ in var.clusters : key => { host = terraform_data.cluster.output, token = \"t\" } }\n  helm";
        workspace.edit("clusters = var.clusters\n  helm", access);
        let main = workspace.read("main.tf");
        let unknown = "resource \"terraform_data\" \"cluster\" {\n  input = \"https://made-in-this-apply.example:6443\"\n}\n";
        workspace.write("main.tf", &format!("{main}\n{unknown}"));
        let plan = workspace.succeed(&["plan", "-no-color"]);
        assert!(plan.contains(&format!("Plan: {} to add, 0 to change", count + 1)), "{plan}");
    }
}
