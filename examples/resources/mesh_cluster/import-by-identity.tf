import {
  to = mesh_cluster.eu
  identity = {
    cluster   = "eu"
    namespace = "istio-system"
  }
}
