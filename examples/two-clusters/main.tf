# Two bare Kubernetes clusters on separate networks become one mesh, and the US can call a service of the EU.

terraform {
  required_providers {
    mesh = { source = "terraform-provider-mesh/mesh" }
  }
}

variable "clusters" {
  description = "The clusters by key: `us`, which calls, and `eu`, which answers."
  type        = map(object({ config_path = string, config_context = optional(string) }))
}

variable "members" {
  description = "The keys of the clusters that are in the mesh; all of `clusters` if left out. A cluster leaves the mesh by leaving this list, and stays in `clusters` until that is applied."
  type        = set(string)
  default     = null
}

variable "helm" {
  description = "Where Istio's charts come from; Istio's own repository if left out."
  type        = object({ repository = optional(string), version = optional(string), plain_http = optional(bool), binary = optional(string) })
  default     = {}
}

variable "values" {
  description = "Helm values of your own for the charts `istiod` and `gateway`, as YAML."
  type        = object({ istiod = optional(list(string), []), gateway = optional(list(string), []) })
  default     = {}
}

provider "mesh" {
  clusters = var.clusters
  helm     = var.helm
}

locals {
  members = toset(var.members == null ? keys(var.clusters) : var.members)
}

# One root of trust; its key stays in a Secret of the US cluster.
resource "mesh_root_ca" "mesh" {
  cluster = "us"

  # A lost root breaks every call between clusters.
  lifecycle {
    prevent_destroy = true
  }
}

resource "mesh_cluster_ca" "this" {
  for_each = local.members
  cluster  = each.key
  root_ca  = mesh_root_ca.mesh
}

resource "mesh_cluster" "this" {
  for_each     = local.members
  cluster      = each.key
  ca           = mesh_cluster_ca.this[each.key]
  mesh_id      = "training-mesh"
  trust_domain = "corp.local"
  network      = "${each.key}-net"
  mtls_mode    = "STRICT"
  values       = var.values.istiod
}

resource "mesh_eastwest_gateway" "this" {
  for_each = local.members
  cluster  = each.key
  network  = mesh_cluster.this[each.key].network
  values   = var.values.gateway
}

# The importers need the gateway's address: the reference is all the ordering there is.
resource "mesh_service_export" "echo" {
  host             = "echo.eu.mesh.local"
  gateway          = mesh_eastwest_gateway.this["eu"]
  namespace        = "echo"
  service          = "echo"
  service_accounts = ["echo"]
  locality         = "eu"
  importers        = [mesh_cluster.this["us"].cluster]
}

output "gateways" {
  description = "The addresses of the east-west gateways."
  value       = { for key, gateway in mesh_eastwest_gateway.this : key => gateway.addresses }
}
