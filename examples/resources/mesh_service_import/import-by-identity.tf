import {
  to = mesh_service_import.cart
  identity = {
    cluster   = "us"
    namespace = "istio-system"
    host      = "cart.eu.mesh.local"
  }
}
