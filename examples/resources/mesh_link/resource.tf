resource "mesh_link" "us_to_eu" {
  cluster   = mesh_cluster.us.cluster
  network   = mesh_eastwest_gateway.eu.network
  addresses = mesh_eastwest_gateway.eu.addresses
  port      = mesh_eastwest_gateway.eu.port
}

# An export by way of the link: its objects in the US name the network, and no address.
resource "mesh_service_export" "orders" {
  host      = "orders.eu.mesh.local"
  network   = mesh_link.us_to_eu.network
  namespace = "shop"
  service   = "orders"
  importers = [mesh_link.us_to_eu.cluster]

  gateway = {
    cluster   = mesh_eastwest_gateway.eu.cluster
    namespace = mesh_eastwest_gateway.eu.namespace
    name      = mesh_eastwest_gateway.eu.name
  }
}
