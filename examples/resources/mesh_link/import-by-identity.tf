import {
  to = mesh_link.us_to_eu
  identity = {
    cluster   = "us"
    namespace = "istio-system"
    network   = "eu-net"
  }
}
