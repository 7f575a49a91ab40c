import {
  to = mesh_eastwest_gateway.eu
  identity = {
    cluster   = "eu"
    namespace = "istio-system"
    name      = "istio-eastwestgateway"
  }
}
