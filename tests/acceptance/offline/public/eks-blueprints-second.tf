# After the same, 2.cluster2/main.tf: a cluster whose authority comes as files, and whose namespace of istiod has labels.
resource "mesh_cluster_ca" "eu" {
  cluster  = "eu"
  external = true
}

resource "mesh_cluster" "eu" {
  cluster          = "eu"
  ca               = mesh_cluster_ca.eu
  mesh_id          = "mesh1"
  network          = "eu-net"
  namespace_labels = { istio-injection = "enabled" }
}
