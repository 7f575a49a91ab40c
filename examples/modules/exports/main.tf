# The Services that one cluster exports, as one map: for the team that owns them, in a configuration of its own or in that of the mesh. Only
# access to the exporting cluster and its importers is needed.

terraform {
  required_providers {
    mesh = { source = "terraform-provider-mesh/mesh" }
  }
}

resource "mesh_service_export" "this" {
  for_each         = var.services
  host             = coalesce(each.value.host, "${each.key}.${var.domain}")
  gateway          = var.gateway
  namespace        = each.value.namespace
  service          = each.key
  service_accounts = each.value.service_accounts
  callers          = each.value.callers
  ports            = each.value.ports
  importers        = each.value.importers == null ? var.importers : each.value.importers
}
