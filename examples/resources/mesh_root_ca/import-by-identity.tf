import {
  to = mesh_root_ca.mesh
  identity = {
    cluster   = "us"
    namespace = "istio-system"
    name      = "mesh-root-ca"
  }
}
