# Every cluster of the kubeconfig that `clusters` names becomes a member, with a network of its own. All others call `echo` of the EU;
# only one workload of the EU calls `orders` of the US.

terraform {
  required_providers {
    mesh = { source = "terraform-provider-mesh/mesh" }
  }
}

variable "clusters" {
  description = "The clusters by key: `us`, `eu`, and any others."
  type        = map(object({ config_path = string, config_context = optional(string) }))
}

provider "mesh" {
  clusters = var.clusters
}

module "mesh" {
  source       = "../.."
  mesh_id      = "prod-mesh"
  trust_domain = "corp.local"
  root_cluster = "us"
  members      = { for key in keys(var.clusters) : key => { network = "${key}-net" } }

  exports = {
    "echo.eu.mesh.local" = { cluster = "eu", namespace = "echo", service = "echo", service_accounts = ["echo"] }
    "orders.us.mesh.local" = {
      cluster          = "us"
      namespace        = "shop"
      service          = "orders"
      service_accounts = ["orders"]
      callers          = [provider::mesh::spiffe_id("corp.local", "shop", "cart")]
      importers        = ["eu"]
    }
  }
}

output "gateways" {
  description = "The addresses of each cluster's east-west gateway."
  value       = module.mesh.gateways
}
