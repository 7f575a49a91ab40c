# The clusters, in networks that exist. Their settings are yours; only what is marked with "mesh" is here for its sake.

terraform {
  required_providers {
    aws     = { source = "hashicorp/aws", version = "~> 6.28" }
    google  = { source = "hashicorp/google", version = "~> 7.17" }
    azurerm = { source = "hashicorp/azurerm", version = "~> 4.0" }
    mesh    = { source = "terraform-provider-mesh/mesh" }
  }
}

variable "aws" {
  description = "Where the cluster of AWS is."
  type        = object({ region = string, vpc_id = string, subnet_ids = list(string) })
}

variable "google" {
  description = "Where the cluster of Google is, with the names of the subnetwork's ranges for pods and Services."
  type        = object({ project_id = string, region = string, network = string, subnetwork = string, ip_range_pods = string, ip_range_services = string })
}

variable "azure" {
  description = "Where the cluster of Azure is."
  type        = object({ subscription_id = string, location = string, resource_group = string, subnet_id = string })
}

provider "aws" {
  region = var.aws.region
}

provider "google" {
  project = var.google.project_id
  region  = var.google.region
}

provider "azurerm" {
  subscription_id = var.azure.subscription_id
  features {}
}

module "eks" {
  source  = "terraform-aws-modules/eks/aws"
  version = "~> 21.0"

  name                                     = "prod-us"
  kubernetes_version                       = "1.34"
  vpc_id                                   = var.aws.vpc_id
  subnet_ids                               = var.aws.subnet_ids
  endpoint_public_access                   = true
  enable_cluster_creator_admin_permissions = true
  addons                                   = { vpc-cni = { before_compute = true }, kube-proxy = {}, coredns = {} }
  eks_managed_node_groups                  = { default = { instance_types = ["m7i.large"], min_size = 2, max_size = 4, desired_size = 2 } }

  # mesh: the API server calls istiod's webhook.
  node_security_group_additional_rules = {
    istiod = { description = "API server to istiod", from_port = 15017, to_port = 15017, source_cluster_security_group = true }
  }
}

module "gke" {
  source  = "terraform-google-modules/kubernetes-engine/google"
  version = "~> 44.0"

  project_id        = var.google.project_id
  name              = "prod-eu"
  region            = var.google.region
  network           = var.google.network
  subnetwork        = var.google.subnetwork
  ip_range_pods     = var.google.ip_range_pods
  ip_range_services = var.google.ip_range_services
}

resource "azurerm_kubernetes_cluster" "ap" {
  name                = "prod-ap"
  location            = var.azure.location
  resource_group_name = var.azure.resource_group
  dns_prefix          = "prod-ap"

  default_node_pool {
    name           = "default"
    vm_size        = "Standard_D4s_v5"
    node_count     = 2
    vnet_subnet_id = var.azure.subnet_id
  }

  identity {
    type = "SystemAssigned"
  }
}
