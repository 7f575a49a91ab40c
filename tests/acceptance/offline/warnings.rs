//! What doesn't go together in a mesh is said in its plan, all at once, and nothing is stopped by it.

use std::{fs, path::Path};

use serde_json::json;

use crate::{
    fixture::{REQUIREMENT, lab, variables},
    workspace::{Workspace, clis, unwrapped},
};

/// Each cluster has something that another one hasn't, and each export something that it should have for itself. Nothing listens at the address of
/// the clusters.
const MESH: &str = r#"
variable "helm" {
  type = object({ binary = optional(string) })
}

provider "mesh" {
  clusters = { for key in ["ap", "eu", "sa", "us"] : key => { host = "https://127.0.0.1:1", token = "t" } }
  helm     = var.helm
}

resource "mesh_cluster" "us" {
  cluster       = "us"
  mesh_id       = "shop-mesh"
  network       = "us-net"
  ca            = { cluster = "us", root_fingerprint = "aaaa" }
  istio_version = "1.29.2"
  dns_capture   = false
}

resource "mesh_cluster" "eu" {
  cluster       = "eu"
  mesh_id       = "shop-mesh"
  network       = "eu-net"
  ca            = { cluster = "eu", root_fingerprint = "bbbb" }
  istio_version = "1.31.0"
  values        = ["global: {netwrok: eu-net}"]
}

resource "mesh_cluster" "sa" {
  cluster       = "sa"
  mesh_id       = "shop-mesh"
  network       = "eu-net"
  trust_domain  = "sa.corp.local"
  istio_version = "1.31.0"
}

resource "mesh_cluster" "ap" {
  cluster = "ap"
  mesh_id = "shop"
  network = "ap-net"
}

resource "mesh_eastwest_gateway" "eu" {
  cluster          = mesh_cluster.eu.cluster
  network          = mesh_cluster.eu.network
  istio_version    = "1.29.2"
  exposed_services = ["shop/*"]
}

resource "mesh_eastwest_gateway" "eu_too" {
  cluster       = mesh_cluster.eu.cluster
  network       = mesh_cluster.eu.network
  name          = "another"
  label         = "eastwestgateway"
  istio_version = "1.31.0"
}

resource "mesh_service_export" "one" {
  for_each = { eu = "a.mesh.local", ap = "a.mesh.local", sa = "b.mesh.local" }

  host      = each.value
  gateway   = { cluster = each.key, namespace = "istio-system", name = "istio-eastwestgateway", addresses = ["198.51.100.9"] }
  namespace = "echo"
  service   = "echo"
  importers = [mesh_cluster.us.cluster]
  vip       = "240.0.0.2"
}

resource "mesh_service_import" "one" {
  cluster = mesh_cluster.us.cluster
  service = {
    host              = "b.mesh.local"
    address           = "240.0.0.3"
    ports             = [{ number = 80, name = "http", protocol = "HTTP" }]
    identities        = []
    gateway_addresses = ["198.51.100.9"]
  }
}
"#;

#[test]
fn a_mesh_with_every_mistake_gets_every_warning_of_the_guide() {
    let guide = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guides/warnings.md")).expect("the guide");
    let titles: Vec<_> = guide.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    assert!(titles.len() > 10, "{titles:?}");
    let lab = lab();
    for cli in clis(&lab) {
        let workspace = Workspace::new(&cli, &format!("{REQUIREMENT}{MESH}"));
        workspace.write("terraform.tfvars.json", &json!({"helm": variables(&lab)["helm"]}).to_string());
        let plan = unwrapped(&workspace.succeed(&["plan", "-no-color"]));
        assert!(plan.contains("Plan: 10 to add, 0 to change, 0 to destroy."), "{}: {plan}", cli.name);
        for title in &titles {
            let (shown, reference) =
                (title.replace("… …", "global.netwrok has no effect"), format!("See \"{title}\" in the guide Plan warnings."));
            assert!(plan.contains(&format!("Warning: {shown}")), "{}: there is no warning {shown:?}:\n{plan}", cli.name);
            assert!(plan.contains(&reference), "{}: nothing says {reference:?}:\n{plan}", cli.name);
        }
    }
}
