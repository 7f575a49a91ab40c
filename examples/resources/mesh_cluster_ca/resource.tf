resource "mesh_cluster_ca" "eu" {
  cluster = "eu"
  root_ca = mesh_root_ca.mesh
}
