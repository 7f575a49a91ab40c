# Endpoint discovery between all clusters of a mesh: a remote secret for each ordered pair of them. The tokens in
# them end: an apply renews those that are close to their end.

terraform {
  required_providers {
    mesh = { source = "terraform-provider-mesh/mesh" }
  }
}

locals {
  pairs = {
    for pair in setproduct(keys(var.clusters), keys(var.clusters)) : "${pair[0]} reads ${pair[1]}" => { reader = pair[0], remote = pair[1] } if pair[0] != pair[1]
  }
}

resource "mesh_remote_secret" "this" {
  for_each             = local.pairs
  cluster              = var.clusters[each.value.reader].cluster
  namespace            = var.clusters[each.value.reader].namespace
  remote               = var.clusters[each.value.remote]
  remote_gateway       = var.gateways[each.value.remote]
  server               = lookup(var.servers, each.value.remote, null)
  token_lifetime_hours = var.token_lifetime_hours
  renew_before_hours   = var.renew_before_hours
  rotation             = var.rotation
}
