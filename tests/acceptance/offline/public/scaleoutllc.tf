# After scaleoutllc/reference-architecture: a gateway behind fixed node ports, and tolerations. Its two revisions are in the next file.
resource "mesh_cluster" "eu" {
  cluster = "eu"
  mesh_id = "mesh1"
  network = "eu-net"
  values = [yamlencode({
    global      = { mesh_id = "mesh1" }
    tolerations = [{ key = "istio", operator = "Exists" }]
  })]
}

resource "mesh_eastwest_gateway" "eu" {
  cluster            = "eu"
  network            = mesh_cluster.eu.network
  external_addresses = ["203.0.113.7", "203.0.113.8"]
  external_port      = 31443
  values             = [yamlencode({ service = { type = "NodePort" } })]
}
