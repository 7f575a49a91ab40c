# What the team `shop` of the cluster `eu` lets the cluster `us` call. The gateway is the platform team's.

terraform {
  required_providers {
    mesh = { source = "terraform-provider-mesh/mesh" }
  }
}

variable "clusters" {
  description = "The clusters by key: `eu`, which answers, and `us`, which calls."
  type        = map(object({ config_path = string, config_context = optional(string) }))
}

variable "gateway_addresses" {
  description = "The addresses of the load balancer of the EU's east-west gateway, from the platform team's outputs."
  type        = list(string)
  default     = ["198.51.100.9"]
}

provider "mesh" {
  clusters = var.clusters
}

module "exports" {
  source    = "../.."
  gateway   = { cluster = "eu", namespace = "istio-system", name = "istio-eastwestgateway", addresses = var.gateway_addresses }
  domain    = "eu.mesh.local"
  importers = ["us"]

  services = {
    cart = { namespace = "shop", service_accounts = ["cart"] }
    orders = {
      namespace        = "shop"
      service_accounts = ["orders"]
      callers          = [provider::mesh::spiffe_id("corp.local", "shop", "checkout")]
      ports            = [{ number = 80, name = "http", protocol = "HTTP" }]
    }
  }
}

output "hosts" {
  description = "What to call, by Service."
  value       = module.exports.hosts
}
