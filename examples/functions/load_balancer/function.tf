# An internal Network Load Balancer of AWS: for `service_annotations` of a mesh_eastwest_gateway.
output "load_balancer" {
  value = provider::mesh::load_balancer("eks", { internal = true, cross_zone = true })
}
