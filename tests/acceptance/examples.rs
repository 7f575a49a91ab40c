//! The examples of the documents, applied as they stand; only the provider block and the lab's Helm values are added.

use std::path::Path;

use mesh_lab::Lab;

use crate::{
    mesh::{HOST, bare_clusters, call_until, is_ok, restart_workloads, variables},
    workspace::{Cli, Workspace, clis},
};

/// What the examples leave to the reader: the provider, and the importing cluster's own membership.
const REST: &str = r#"
terraform {
  required_providers {
    mesh = { source = "terraform-provider-mesh/mesh" }
  }
}

variable "clusters" { type = any }
variable "helm" { type = any }
variable "values" { type = any }

provider "mesh" {
  clusters = var.clusters
  helm     = var.helm
}

resource "mesh_cluster_ca" "us" {
  cluster = "us"
  root_ca = mesh_root_ca.mesh
}

resource "mesh_cluster" "us" {
  cluster      = "us"
  ca           = mesh_cluster_ca.us
  mesh_id      = "training-mesh"
  trust_domain = "corp.local"
  network      = "us-net"
  values       = var.values.istiod
}
"#;

fn example(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The example with one more attribute in its only block.
fn with_attribute(example: &str, attribute: &str) -> String {
    let end = example.rfind('}').expect("a block");
    format!("{}  {attribute}\n}}\n", &example[..end])
}

#[test]
fn the_examples_of_the_resources_make_a_mesh() {
    let lab = bare_clusters();
    let cli = &clis(&lab)[0];
    let workspace = of_resources(cli, &lab);
    workspace.apply();
    workspace.assert_settled();
    restart_workloads(&lab);
    call_until(&lab, &format!("http://{HOST}/"), is_ok);

    let imported = of_resources(cli, &lab);
    for (resource, _) in RESOURCES {
        imported.write(&format!("import-{resource}.tf"), &example(&format!("resources/{resource}/import-by-identity.tf")));
    }
    let plan = imported.changes();
    assert!(plan.contains("5 to import") && plan.contains("0 to change, 0 to destroy"), "{plan}");
    workspace.destroy();
}

/// The resources that have examples, each with what the lab or a single configuration needs besides.
const RESOURCES: [(&str, Option<&str>); 5] = [
    ("mesh_root_ca", None),
    ("mesh_cluster_ca", None),
    ("mesh_cluster", Some("values = var.values.istiod")),
    ("mesh_eastwest_gateway", Some("values = var.values.gateway")),
    // In one configuration the reference is what waits for the importer; the document's example is of a mesh that is there.
    ("mesh_service_export", Some("depends_on = [mesh_cluster.us]")),
];

/// A configuration of all examples of resources.
fn of_resources(cli: &Cli, lab: &Lab) -> Workspace {
    let workspace = Workspace::new(cli, REST);
    workspace.write("terraform.tfvars.json", &variables(lab));
    for (resource, addition) in RESOURCES {
        let text = example(&format!("resources/{resource}/resource.tf"));
        workspace.write(&format!("{resource}.tf"), &addition.map_or(text.clone(), |addition| with_attribute(&text, addition)));
    }
    workspace
}

#[test]
fn the_examples_of_the_provider_and_of_the_token_are_valid() {
    let lab = Lab::attach().expect("a lab; `make lab-up` makes one");
    for cli in clis(&lab) {
        let requirement = REST.split("variable").next().expect("the beginning");
        let token = example("ephemeral-resources/mesh_cluster_token/ephemeral-resource.tf");
        let workspace = Workspace::new(&cli, &format!("{requirement}\n{}\n{token}", example("provider/provider.tf")));
        workspace.write("eu-ca.pem", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n");
        workspace.succeed(&["validate", "-no-color"]);
    }
}
