resource "mesh_service_export" "echo" {
  host             = "echo.eu.mesh.local"
  gateway          = mesh_eastwest_gateway.eu
  namespace        = "echo"
  service          = "echo"
  service_accounts = ["echo"]
  importers        = [mesh_cluster.us.cluster]
}
