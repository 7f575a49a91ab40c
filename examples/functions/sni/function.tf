# outbound_.80_._.echo.eu.mesh.local
output "sni" {
  value = provider::mesh::sni(80, "echo.eu.mesh.local")
}
