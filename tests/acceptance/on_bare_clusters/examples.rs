//! The examples in the documents of the resources, applied unchanged; only the provider block and the lab's Helm values are added.

use framework::Provider as _;
use mesh_lab::{Cluster, Lab, gateway_api};
use terraform_provider_mesh::provider::Mesh;

use crate::{
    fixture::{REQUIREMENT, bare_clusters, both, example_file, variables},
    traffic::{call_host_until_ok, restart_workloads},
    workspace::{Cli, Workspace, clis, unwrapped},
};

/// What the examples leave to the reader: the provider, and the importing cluster's own membership.
const REST: &str = r#"
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

resource "mesh_eastwest_gateway" "us" {
  cluster = mesh_cluster.us.cluster
  network = mesh_cluster.us.network
  values  = var.values.gateway
}

resource "mesh_link" "eu_to_us" {
  cluster   = mesh_cluster.eu.cluster
  network   = mesh_eastwest_gateway.us.network
  addresses = mesh_eastwest_gateway.us.addresses
  port      = mesh_eastwest_gateway.us.port
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

/// The example with one more attribute in its only block.
fn with_attribute(example: &str, attribute: &str) -> String {
    let end = example.rfind('}').expect("a block");
    format!("{}  {attribute}\n}}\n", &example[..end])
}

#[test]
fn the_examples_of_the_resources_make_a_mesh() {
    let lab = bare_clusters();
    // What the examples of a link and of a global service assume.
    let (us, eu) = both(&lab);
    for cluster in [&us, &eu] {
        cluster.apply(&gateway_api().expect("definitions")).expect("the Gateway API");
        cluster.kubectl(&["create", "namespace", "shop"]).expect("a namespace");
        for service in ["orders", "checkout"] {
            cluster.kubectl(&["create", "service", "clusterip", service, "-n", "shop", "--tcp=80:8080"]).expect("a Service");
        }
    }
    let cli = &clis(&lab)[0];
    let workspace = of_resources(cli, &lab);
    workspace.apply();
    workspace.assert_settled();
    restart_workloads(&lab);
    call_host_until_ok(&lab);

    let imported = of_resources(cli, &lab);
    let resources = Mesh.resources();
    for resource in &resources {
        let name = resource.name();
        imported.write(&format!("import-{name}.tf"), &example_file(&format!("resources/{name}/import-by-identity.tf")));
    }
    let plan = imported.changes();
    assert!(plan.contains(&format!("{} to import", resources.len())) && plan.contains("0 to change, 0 to destroy"), "{plan}");
    in_check_blocks(&workspace, &eu);
    workspace.destroy();
    for cluster in [&us, &eu] {
        cluster.kubectl(&["delete", "namespace", "shop"]).expect("deleted");
    }
}

/// Adds the examples of the data sources, each of which has a check block.
fn in_check_blocks(workspace: &Workspace, eu: &Cluster) {
    for source in Mesh.data_sources().iter().map(|source| source.name()).filter(|name| *name != "mesh_precheck") {
        let text = example_file(&format!("data-sources/{source}/data-source.tf"));
        assert!(text.contains("\ncheck ") && text.contains(&format!("data.{source}.")), "{source} is in no check block:\n{text}");
        workspace.write(&format!("data-{source}.tf"), &text);
    }
    // No Service has the label yet, and none of the namespace `shop` has pods; the call succeeds.
    let failed = |printed: &str| {
        let printed = unwrapped(printed);
        ["has the label", "No pod of namespace shop matches", "Calls fail"].map(|words| printed.contains(words))
    };
    let printed = workspace.apply();
    assert_eq!(failed(&printed), [true, true, false], "{printed}");
    eu.kubectl(&["label", "-n", "echo", "service/echo", "mesh.example.com/export=true"]).expect("labelled");
    let printed = workspace.apply();
    assert_eq!(failed(&printed), [false, true, false], "{printed}");
    assert!(printed.contains("1 added"), "{printed}");
}

/// What the example of a resource needs besides, in the lab or in a single configuration.
fn addition(resource: &str) -> Option<&'static str> {
    match resource {
        "mesh_cluster" => Some("values = var.values.istiod"),
        "mesh_eastwest_gateway" => Some("values = var.values.gateway"),
        // In one configuration the reference is what waits for the importer; the document's example is of a mesh that is there.
        "mesh_service_export" => Some("depends_on = [mesh_cluster.us]"),
        _ => None,
    }
}

/// A configuration of the examples of all resources.
fn of_resources(cli: &Cli, lab: &Lab) -> Workspace {
    let workspace = Workspace::new(cli, &format!("{REQUIREMENT}{REST}"));
    workspace.write("terraform.tfvars.json", &variables(lab).to_string());
    for resource in Mesh.resources() {
        let name = resource.name();
        let text = example_file(&format!("resources/{name}/resource.tf"));
        workspace.write(&format!("{name}.tf"), &addition(name).map_or(text.clone(), |addition| with_attribute(&text, addition)));
    }
    workspace
}
