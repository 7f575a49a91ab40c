output "hosts" {
  description = "The name that clients call, for each Service."
  value       = { for service, export in mesh_service_export.this : service => export.host }
}

output "imports" {
  description = "What a `mesh_service_import` of another state takes as its `service`, for each Service."
  value       = { for service, export in mesh_service_export.this : service => export.import }
}
