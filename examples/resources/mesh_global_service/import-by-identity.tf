import {
  to = mesh_global_service.checkout
  identity = {
    namespace = "shop"
    host      = "checkout.mesh.local"
  }
}
