resource "mesh_service_import" "cart" {
  cluster = mesh_cluster.us.cluster

  # Usually an output of the exporter's state: data.terraform_remote_state.eu.outputs.cart
  service = {
    host              = "cart.eu.mesh.local"
    address           = "240.0.0.9"
    ports             = [{ number = 80, name = "http", protocol = "HTTP" }]
    identities        = ["spiffe://corp.local/ns/shop/sa/cart"]
    gateway_addresses = ["203.0.113.7"]
  }
}
