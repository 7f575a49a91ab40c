list "mesh_remote_secret" "of_america" {
  provider = mesh

  config {
    clusters = ["us"]
  }
}
