# Every cluster of the kubeconfig that `clusters` names discovers the endpoints of all others, and calls what these expose under its own name: the
# Service `echo` of the namespace `shop`.

terraform {
  required_providers {
    mesh = { source = "terraform-provider-mesh/mesh" }
  }
}

variable "clusters" {
  description = "The clusters by key; `us` keeps the root's key."
  type        = map(object({ config_path = string, config_context = optional(string) }))
}

provider "mesh" {
  clusters = var.clusters
}

resource "mesh_root_ca" "mesh" {
  cluster = "us"

  # A lost root breaks every call between clusters.
  lifecycle {
    prevent_destroy = true
  }
}

resource "mesh_cluster_ca" "this" {
  for_each = var.clusters
  cluster  = each.key
  root_ca  = mesh_root_ca.mesh
}

resource "mesh_cluster" "this" {
  for_each  = var.clusters
  cluster   = each.key
  ca        = mesh_cluster_ca.this[each.key]
  mesh_id   = "prod-mesh"
  network   = "${each.key}-net"
  mtls_mode = "STRICT"
}

resource "mesh_eastwest_gateway" "this" {
  for_each         = var.clusters
  cluster          = each.key
  network          = mesh_cluster.this[each.key].network
  exposed_services = ["shop/echo"]
}

module "discovery" {
  source   = "../.."
  clusters = mesh_cluster.this
  gateways = mesh_eastwest_gateway.this
}

output "expires_at" {
  description = "When the tokens expire, by the reading cluster and the one that it reads."
  value       = module.discovery.expires_at
}
