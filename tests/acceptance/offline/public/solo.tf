# After the values of Solo's workshops: images and charts of a distribution.
resource "mesh_cluster" "eu" {
  cluster       = "eu"
  mesh_id       = "mesh1"
  network       = "eu-net"
  istio_version = "1.31.0-solo"
  values        = [yamlencode({ global = { hub = "us-docker.pkg.dev/gloo-mesh/istio", tag = "1.31.0-solo" } })]
}
