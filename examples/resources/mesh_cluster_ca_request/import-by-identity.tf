import {
  to = mesh_cluster_ca_request.eu
  identity = {
    cluster   = "eu"
    namespace = "istio-system"
    name      = "cacerts-request"
  }
}
