# The Service `checkout` of both clusters under one host: each cluster calls its own, and the other one while its own can't answer.
resource "mesh_global_service" "checkout" {
  host             = "checkout.mesh.local"
  namespace        = "shop"
  service          = "checkout"
  service_accounts = ["checkout"]

  gateways = {
    us = mesh_eastwest_gateway.us
    eu = mesh_eastwest_gateway.eu
  }

  # To take a cluster out of service:
  # weights = { us = 0 }

  # The ways between the clusters.
  depends_on = [mesh_link.us_to_eu, mesh_link.eu_to_us]
}
