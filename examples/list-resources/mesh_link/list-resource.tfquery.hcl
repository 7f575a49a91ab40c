list "mesh_link" "in_america" {
  provider = mesh

  config {
    clusters = ["us"]
  }
}
