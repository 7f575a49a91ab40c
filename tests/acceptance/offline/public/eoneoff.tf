# After eoneoff/istio-multicluster-terraform: a gateway with a name of its own, whose label is another, and no version of the charts.
resource "mesh_eastwest_gateway" "eu" {
  cluster = "eu"
  network = "eu-net"
  name    = "cross-network-gateway"
  values = [yamlencode({
    labels = { team = "platform" }
    env    = { ISTIO_META_REQUESTED_NETWORK_VIEW = "eu-net" }
  })]
}
