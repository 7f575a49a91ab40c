list "mesh_cluster_ca_request" "in_europe" {
  provider = mesh

  config {
    clusters = ["eu"]
  }
}
