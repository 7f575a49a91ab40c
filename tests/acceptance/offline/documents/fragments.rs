//! What completes a fragment of the documents, so that it can be validated. A block marked as `terraform` in a guide is complete.

use super::blocks::Block;

/// What the test puts around a fragment.
#[derive(Clone, Copy)]
pub(super) enum Completion {
    /// The blocks of `mesh.tf` beside it.
    Mesh,
    /// It stands in place of `…` in this resource or module, beside the blocks of `mesh.tf`.
    Within(&'static str),
    /// Modules in place of those that make clusters in three clouds.
    Clouds,
    /// The file in which a CLI finds how to install providers; with the only CLI that knows it, if one doesn't.
    CliConfiguration(Option<&'static str>),
    /// Values for the variables of an example.
    Variables(&'static str),
    /// No CLI here can say whether it is valid: only its form is checked.
    Form(&'static str),
}

use Completion::{CliConfiguration, Clouds, Form, Mesh, Variables, Within};

const GLOBAL_SERVICE: &str = r#"resource "mesh_global_service" "checkout" {
  host      = "checkout.mesh.local"
  namespace = "shop"
  service   = "checkout"
  gateways  = { us = mesh_eastwest_gateway.us, eu = mesh_eastwest_gateway.eu }
…
}
"#;

const CLUSTER: &str = r#"resource "mesh_cluster" "eu" {
  cluster = "eu"
  mesh_id = "shop-mesh"
  network = "eu-net"
…
}
"#;

const MODULE: &str = r#"module "mesh" {
  source       = "./modules/mesh"
  mesh_id      = "shop-mesh"
  root_cluster = "us"
…
}
"#;

/// The fragments, marked as `hcl`: the page, words that only one of its fragments has, and what completes it.
pub(super) const FRAGMENTS: &[(&str, &str, Completion)] = &[
    ("README.md", "resource \"mesh_service_export\" \"echo\"", Mesh),
    ("README.md", "config_context = \"prod-us\"", Variables("two-clusters")),
    ("docs/guides/discovery.md", "exposed_services = [\"shop/echo\"]", Mesh),
    ("docs/guides/discovery.md", "module \"discovery\"", Mesh),
    ("docs/guides/discovery.md", "ENABLE_MCS_SERVICE_DISCOVERY", Mesh),
    ("docs/guides/discovery.md", "tls_server_name", Mesh),
    ("docs/guides/failover.md", "resource \"mesh_link\" \"us_to_eu\"", Mesh),
    ("docs/guides/failover.md", "weights = { us = 0 }", Within(GLOBAL_SERVICE)),
    ("docs/guides/first-mesh.md", "module.access.members", Clouds),
    ("docs/guides/first-mesh.md", "admissions.enforcer/disabled", Within(CLUSTER)),
    ("docs/guides/installing.md", "filesystem_mirror", CliConfiguration(None)),
    ("docs/guides/installing.md", "network_mirror", CliConfiguration(None)),
    ("docs/guides/installing.md", "oci_mirror", CliConfiguration(Some("tofu"))),
    ("docs/guides/removing-and-renaming-a-cluster.md", "members = {", Within(MODULE)),
    ("docs/guides/removing-and-renaming-a-cluster.md", "import {", Mesh),
    ("docs/guides/replacing-a-gateway.md", "mesh_eastwest_gateway.eu_internal", Mesh),
    ("docs/guides/rotating-the-root.md", "resource \"mesh_root_ca\" \"next\"", Mesh),
    ("docs/guides/rotating-the-root.md", "root_ca       = mesh_root_ca.next", Mesh),
    ("docs/guides/taking-over-a-mesh.md", "from = helm_release.istiod", Mesh),
    ("docs/guides/two-teams.md", "shared.eu.mesh.local", Mesh),
    ("docs/guides/two-teams.md", "terraform_remote_state", Mesh),
    ("docs/guides/two-teams.md", "trust_domain_aliases", Mesh),
    ("docs/guides/your-own-ca.md", "request                  = mesh_cluster_ca_request.eu", Mesh),
];

/// Finds what completes a block; `None` if it is complete.
pub(super) fn completion_of(block: &Block) -> Option<Completion> {
    if block.page.starts_with("docs/list-resources/") {
        return Some(Form("a `list` block is for `terraform query`, of Terraform 1.14 and newer"));
    }
    if block.is_generated() {
        return Some(Mesh);
    }
    let mut found = FRAGMENTS.iter().filter(|(page, words, _)| *page == block.page && block.code.contains(words));
    match (block.language.as_str(), found.next(), found.next()) {
        ("hcl", Some((.., completion)), None) => Some(*completion),
        ("hcl", Some(_), Some(_)) => panic!("{} is twice in FRAGMENTS", block.place),
        ("hcl", None, _) => panic!("{} is a fragment, and not in FRAGMENTS", block.place),
        _ => None,
    }
}
