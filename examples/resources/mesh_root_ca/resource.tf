resource "mesh_root_ca" "mesh" {
  cluster      = "us"
  organization = "Example Corp"

  # A lost root breaks every call between clusters.
  lifecycle {
    prevent_destroy = true
  }
}
