# After alexey-pankratyev/agones-istio (there with Crossplane): networks listed in the mesh's configuration, and tolerations.
resource "mesh_cluster" "eu" {
  cluster = "eu"
  mesh_id = "mesh1"
  network = "eu-net"
  values = [yamlencode({
    global = {
      meshNetworks       = { us-net = { endpoints = [{ fromRegistry = "us" }], gateways = [{ address = "203.0.113.9", port = 15443 }] } }
      defaultTolerations = [{ key = "games", operator = "Exists" }]
    }
  })]
}
