# The team of the cluster `eu` shares its Service `echo`. It has access to no other cluster. The control plane is there already: see the guide
# "Two teams".

terraform {
  required_providers {
    mesh = { source = "terraform-provider-mesh/mesh" }
  }
}

variable "cluster" {
  description = "Access to the cluster `eu`."
  type        = object({ config_path = string, config_context = optional(string) })
}

variable "helm" {
  description = "Where Istio's charts come from; Istio's own repository if left out."
  type        = object({ repository = optional(string), version = optional(string), plain_http = optional(bool), binary = optional(string) })
  default     = {}
}

variable "gateway" {
  description = "Name and Helm values of the gateway."
  type        = object({ name = optional(string), values = optional(list(string), []) })
  default     = {}
}

provider "mesh" {
  clusters = { eu = var.cluster }
  helm     = var.helm
}

resource "mesh_eastwest_gateway" "eu" {
  cluster = "eu"
  network = "eu-net"
  name    = var.gateway.name
  values  = var.gateway.values
}

resource "mesh_service_export" "echo" {
  host             = "shared.eu.mesh.local"
  gateway          = mesh_eastwest_gateway.eu
  namespace        = "echo"
  service          = "echo"
  service_accounts = ["echo"]
  # Each importing team has a mesh_service_import of its own.
  importers = []
}

output "echo" {
  description = "All that an importing team has to know of `echo`."
  value       = mesh_service_export.echo.import
}
