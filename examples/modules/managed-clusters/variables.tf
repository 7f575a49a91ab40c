variable "eks" {
  description = "Clusters of Amazon EKS by the keys that they get in the provider's `clusters`: the module `terraform-aws-modules/eks/aws` as a whole, or these of its outputs. The region is that of `cluster_arn`; without it, the AWS CLI's own. `args` are further arguments of `aws eks get-token`: `merge(module.eks, { args = [\"--profile\", \"prod\"] })`."
  type = map(object({
    cluster_name                       = string
    cluster_endpoint                   = string
    cluster_certificate_authority_data = string
    cluster_arn                        = optional(string)
    args                               = optional(list(string), [])
  }))
  default = {}
}

variable "gke" {
  description = "Clusters of Google GKE by their keys: the module `terraform-google-modules/kubernetes-engine/google` as a whole, or these of its outputs. The endpoint with a DNS name has a certificate that needs no `ca_certificate`: `{ endpoint = module.gke.endpoint_dns }`."
  type        = map(object({ endpoint = string, ca_certificate = optional(string) }))
  default     = {}
}

variable "aks" {
  description = "Clusters of Azure AKS by their keys: `kube_config[0]` of an `azurerm_kubernetes_cluster`, or the module `Azure/aks/azurerm` as a whole. Its client certificate is used where there is one. Without one, or if only `host` and `cluster_ca_certificate` are passed, `kubelogin` obtains tokens of Entra ID."
  type = map(object({
    host                   = string
    cluster_ca_certificate = string
    client_certificate     = optional(string, "")
    client_key             = optional(string, "")
  }))
  default = {}
}

variable "kubelogin_args" {
  description = "How `kubelogin` logs in, for example `[\"--login\", \"workloadidentity\"]` in a pipeline."
  type        = list(string)
  default     = ["--login", "azurecli"]
}

variable "load_balancer_options" {
  description = "Options of the function `load_balancer` for the cloud of each cluster, by key: `{ us = { internal = true, cross_zone = true } }`."
  type        = map(map(string))
  default     = {}
}

variable "networks" {
  description = "The networks of the clusters by key, where they aren't called as the key with `-net`. Two clusters share one only if their pods reach each other without a gateway."
  type        = map(string)
  default     = {}
}
