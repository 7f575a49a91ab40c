data "mesh_topology" "mesh" {}

# terraform output -raw topology > mesh.html
output "topology" {
  value = data.mesh_topology.mesh.html
}
