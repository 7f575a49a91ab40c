data "mesh_topology" "mesh" {}

# terraform output -raw topology > mesh.html
output "topology" {
  value = data.mesh_topology.mesh.html
}

# Warns of what the page shows as problems.
check "topology" {
  assert {
    condition     = length(jsondecode(data.mesh_topology.mesh.json).problems) == 0
    error_message = join("\n", [for problem in jsondecode(data.mesh_topology.mesh.json).problems : "${problem.id}: ${problem.seen}"])
  }
}
