# spiffe://corp.local/ns/echo/sa/echo
output "identity" {
  value = provider::mesh::spiffe_id("corp.local", "echo", "echo")
}
