list "mesh_service_export" "in_europe" {
  provider = mesh

  config {
    clusters = ["eu"]
  }
}
