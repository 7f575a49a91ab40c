list "mesh_cluster" "in_europe" {
  provider = mesh

  config {
    clusters = ["eu"]
  }
}
