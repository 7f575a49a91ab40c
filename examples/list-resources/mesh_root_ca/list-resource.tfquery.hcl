list "mesh_root_ca" "all" {
  provider = mesh
}
