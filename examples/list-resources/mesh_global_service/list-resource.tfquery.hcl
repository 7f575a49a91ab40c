list "mesh_global_service" "all" {
  provider = mesh
}
