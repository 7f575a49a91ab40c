# The outputs of the clouds' modules that the module managed-clusters reads.

output "cluster_name" {
  value = "prod-us"
}

output "cluster_endpoint" {
  value = "https://us.example.com"
}

output "cluster_certificate_authority_data" {
  value = "VVM="
}

output "endpoint" {
  value = "203.0.113.10"
}

output "ca_certificate" {
  value = "RVU="
}

output "kube_config" {
  value = [{ host = "https://ap.example.com", cluster_ca_certificate = "QVA=", client_certificate = "", client_key = "" }]
}
