import {
  to = mesh_cluster_ca.eu
  identity = {
    cluster   = "eu"
    namespace = "istio-system"
  }
}
