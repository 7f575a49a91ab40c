locals {
  hosts = ["echo.eu.mesh.local", "billing.eu.mesh.local"]
}

# An address for each host, the same in every plan.
output "vips" {
  value = { for host in local.hosts : host => provider::mesh::vip(host, local.hosts) }
}
