list "mesh_eastwest_gateway" "in_europe" {
  provider = mesh

  config {
    clusters = ["eu"]
  }
}
