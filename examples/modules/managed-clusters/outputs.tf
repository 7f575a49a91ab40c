output "clusters" {
  description = "For the provider's `clusters`. Sensitive, as are parts of what the clouds' modules return."
  sensitive   = true
  value       = merge(local.eks, local.gke, local.aks)

  precondition {
    condition     = length(local.keys) == length(toset(local.keys))
    error_message = "Two clusters have the same key: ${join(", ", sort(local.keys))}. Give each cluster a key of its own, whichever cloud it is in."
  }
}

output "members" {
  description = "For `members` of the module `mesh`."
  value       = { for key in toset(local.keys) : key => { network = lookup(var.networks, key, "${key}-net") } }

  precondition {
    condition     = length(setsubtract(concat(keys(var.networks), keys(var.load_balancer_options)), local.keys)) == 0
    error_message = "`networks` and `load_balancer_options` may only have the keys of clusters: ${join(", ", sort(local.keys))}."
  }
}

output "gateway_annotations" {
  description = "For `gateway_annotations` of the module `mesh`, or `service_annotations` of a `mesh_eastwest_gateway`, by cluster."
  value       = local.gateway_annotations
}
