list "mesh_service_import" "in_america" {
  provider = mesh

  config {
    clusters = ["us"]
  }
}
