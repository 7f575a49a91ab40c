resource "mesh_root_ca" "mesh" {
  cluster      = "us"
  organization = "Example Corp"
}
