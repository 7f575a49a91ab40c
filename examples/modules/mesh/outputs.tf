output "gateways" {
  description = "The addresses of each cluster's east-west gateway."
  value       = { for key, gateway in mesh_eastwest_gateway.this : key => gateway.addresses }
}

output "root_certificate" {
  description = "The mesh's root certificate, PEM."
  value       = mesh_root_ca.this.certificate
}
