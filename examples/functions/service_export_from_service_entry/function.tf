locals {
  entry = provider::mesh::service_export_from_service_entry(file("${path.module}/serviceentry.yaml"))
}

output "entry" {
  value = local.entry
}

check "entry" {
  assert {
    condition     = length(local.entry.ignored) == 0
    error_message = "Keys of serviceentry.yaml without a counterpart: ${join(", ", local.entry.ignored)}."
  }
}
