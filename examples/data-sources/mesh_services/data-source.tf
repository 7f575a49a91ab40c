# Every Service with this label is exported.
data "mesh_services" "exported" {
  cluster = "eu"
  labels  = { "mesh.example.com/export" = "true" }
}

resource "mesh_service_export" "exported" {
  for_each  = data.mesh_services.exported.services
  host      = "${each.value.name}.${each.value.namespace}.eu.mesh.local"
  gateway   = mesh_eastwest_gateway.eu
  namespace = each.value.namespace
  service   = each.value.name
  importers = [mesh_cluster.us.cluster]
}

# Warns if nothing is exported: the label may be misspelled.
check "exported" {
  assert {
    condition     = length(data.mesh_services.exported.services) > 0
    error_message = "No Service of cluster eu has the label mesh.example.com/export=true."
  }
}
