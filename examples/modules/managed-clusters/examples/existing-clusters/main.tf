# A cluster of each cloud, made by other configurations, becomes a member of one mesh: their outputs are variables here. The example
# `three-clouds` makes the clusters in the same apply.

terraform {
  required_providers {
    mesh = { source = "terraform-provider-mesh/mesh" }
  }
}

variable "eks" {
  description = "Outputs of the module `terraform-aws-modules/eks/aws`."
  type        = object({ cluster_name = string, cluster_endpoint = string, cluster_certificate_authority_data = string, cluster_arn = string })
}

variable "gke" {
  description = "Outputs of the module `terraform-google-modules/kubernetes-engine/google`."
  type        = object({ endpoint = string, ca_certificate = string })
}

variable "aks" {
  description = "Outputs of the module `Azure/aks/azurerm`."
  type        = object({ host = string, cluster_ca_certificate = string })
}

module "access" {
  source = "../.."
  eks    = { us = var.eks }
  gke    = { eu = var.gke }
  aks    = { ap = var.aks }

  load_balancer_options = {
    us = { internal = true, cross_zone = true }
    eu = { internal = true, global_access = true }
    ap = { internal = true }
  }
}

provider "mesh" {
  clusters = module.access.clusters
}

module "mesh" {
  source              = "../../../mesh"
  mesh_id             = "prod-mesh"
  root_cluster        = "us"
  members             = module.access.members
  gateway_annotations = module.access.gateway_annotations
}

output "gateways" {
  description = "The addresses of each cluster's east-west gateway."
  value       = module.mesh.gateways
}
