# A mesh out of the three files of a manual setup, as they are: the Helm values of istiod, the IstioOperator manifest of the east-west gateway,
# and the ServiceEntry of the host. Keys that have no effect, or no counterpart, are warnings.

terraform {
  required_providers {
    mesh = { source = "terraform-provider-mesh/mesh" }
  }
}

variable "clusters" {
  description = "The clusters by key: `us`, which calls, and `eu`, which answers."
  type        = map(object({ config_path = string, config_context = optional(string) }))
}

variable "helm" {
  description = "Where Istio's charts come from; Istio's own repository if left out."
  type        = object({ repository = optional(string), version = optional(string), plain_http = optional(bool), binary = optional(string) })
  default     = {}
}

variable "values" {
  description = "Further Helm values for the charts `istiod` and `gateway`, as YAML."
  type        = object({ istiod = optional(list(string), []), gateway = optional(list(string), []) })
  default     = {}
}

provider "mesh" {
  clusters = var.clusters
  helm     = var.helm
}

locals {
  networks = { us = "us-net", eu = "eu-net" }
  values   = file("${path.module}/values-istio.yaml")
  global   = yamldecode(local.values).global
  gateway  = provider::mesh::eastwest_gateway_from_operator(file("${path.module}/eastwest-gateway.yaml"))
  entry    = provider::mesh::service_export_from_service_entry(file("${path.module}/serviceentry.yaml"))
}

resource "mesh_root_ca" "mesh" {
  cluster = "us"

  # A lost root breaks every call between clusters.
  lifecycle {
    prevent_destroy = true
  }
}

resource "mesh_cluster_ca" "this" {
  for_each = local.networks
  cluster  = each.key
  root_ca  = mesh_root_ca.mesh
}

resource "mesh_cluster" "this" {
  for_each     = local.networks
  cluster      = each.key
  ca           = mesh_cluster_ca.this[each.key]
  mesh_id      = local.global.meshID
  trust_domain = local.global.trustDomain
  network      = each.value
  values       = concat([local.values], var.values.istiod)
}

resource "mesh_eastwest_gateway" "this" {
  for_each            = local.networks
  cluster             = each.key
  network             = mesh_cluster.this[each.key].network
  name                = local.gateway.name
  label               = local.gateway.label
  namespace           = local.gateway.namespace
  service_annotations = local.gateway.service_annotations
  load_balancer_class = local.gateway.load_balancer_class
  source_ranges       = local.gateway.source_ranges
  replicas            = local.gateway.replicas
  values              = concat(local.gateway.values, var.values.gateway)
}

# The ServiceEntry doesn't show which Service it is for. The gateway's address, for which the file has a placeholder, is that of the resource.
resource "mesh_service_export" "echo" {
  host               = local.entry.host
  vip                = local.entry.vip
  export_to          = local.entry.export_to
  locality           = local.entry.locality
  service_accounts   = local.entry.service_accounts
  trust_domain       = local.entry.trust_domain
  gateway            = mesh_eastwest_gateway.this["eu"]
  namespace          = "echo"
  service            = "echo"
  importers          = [mesh_cluster.this["us"].cluster]
  importer_namespace = local.entry.importer_namespace
}

check "files" {
  assert {
    condition     = length(local.gateway.ignored) == 0
    error_message = "Keys of eastwest-gateway.yaml without a counterpart: ${join(", ", local.gateway.ignored)}."
  }
  assert {
    condition     = length(local.entry.ignored) == 0
    error_message = "Keys of serviceentry.yaml without a counterpart: ${join(", ", local.entry.ignored)}."
  }
}
