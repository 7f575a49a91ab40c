# A mesh over any number of clusters, with any number of exported services: one root, and for each cluster its CA, its control plane and its
# east-west gateway. A change of `members` adds or removes a cluster and touches no other.

terraform {
  required_providers {
    mesh = { source = "terraform-provider-mesh/mesh" }
  }
}

resource "mesh_root_ca" "this" {
  cluster = var.root_cluster

  # A lost root breaks every call between clusters.
  lifecycle {
    prevent_destroy = true
  }
}

resource "mesh_cluster_ca" "this" {
  for_each = var.members
  cluster  = each.key
  root_ca  = mesh_root_ca.this
}

resource "mesh_cluster" "this" {
  for_each     = var.members
  cluster      = each.key
  ca           = mesh_cluster_ca.this[each.key]
  mesh_id      = var.mesh_id
  trust_domain = var.trust_domain
  network      = each.value.network
  cluster_name = each.value.cluster_name
  mtls_mode    = var.mtls_mode
  values       = var.istiod_values
}

resource "mesh_eastwest_gateway" "this" {
  for_each            = var.members
  cluster             = each.key
  network             = mesh_cluster.this[each.key].network
  service_annotations = lookup(var.gateway_annotations, each.key, null)
  values              = var.gateway_values
}

resource "mesh_service_export" "this" {
  for_each         = var.exports
  host             = each.key
  gateway          = mesh_eastwest_gateway.this[each.value.cluster]
  namespace        = each.value.namespace
  service          = each.value.service
  service_accounts = each.value.service_accounts
  callers          = each.value.callers

  # By reference, so that an export waits for the control planes of the clusters that import it.
  importers = [
    for key in coalesce(each.value.importers, setsubtract(keys(var.members), [each.value.cluster])) : mesh_cluster.this[key].cluster
  ]
}
