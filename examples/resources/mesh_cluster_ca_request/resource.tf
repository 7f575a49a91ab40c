resource "mesh_cluster_ca_request" "eu" {
  cluster = "eu"
}
