list "mesh_cluster_ca" "in_europe" {
  provider = mesh

  config {
    clusters = ["eu"]
  }
}
