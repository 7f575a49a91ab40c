# A cluster of EKS, one of GKE and one of AKS become one mesh, in the apply that makes them: see clouds.tf. In the cluster of EKS, the AWS Load
# Balancer Controller has to run as well.

module "access" {
  source = "../modules/managed-clusters"
  eks    = { us = module.eks }
  gke    = { eu = module.gke }
  aks    = { ap = azurerm_kubernetes_cluster.ap.kube_config[0] }
  load_balancer_options = {
    us = { cross_zone = true }
  }
}

provider "mesh" {
  clusters = module.access.clusters
  helm     = { version = "1.31.0" }
}

module "mesh" {
  source              = "../modules/mesh"
  mesh_id             = "prod-mesh"
  trust_domain        = "corp.local"
  root_cluster        = "us"
  members             = module.access.members
  gateway_annotations = module.access.gateway_annotations

  # AKS would add to the namespace selectors of istiod's webhook, and the provider would take that for a manual change.
  istiod_values = [yamlencode({ sidecarInjectorWebhookAnnotations = { "admissions.enforcer/disabled" = "true" } })]

  exports = {
    "echo.eu.mesh.local" = { cluster = "eu", namespace = "echo", service = "echo", service_accounts = ["echo"] }
  }
}

output "gateways" {
  description = "The addresses of the east-west gateways."
  value       = module.mesh.gateways
}
