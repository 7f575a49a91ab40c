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
