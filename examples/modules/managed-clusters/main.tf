# Clusters of EKS, GKE and AKS, as the modules and resources that make them describe them, in the form in which the provider's `clusters` and
# the module `mesh` take them. It works in the plan that makes the clusters, too: what isn't known yet stays unknown.

terraform {
  required_providers {
    mesh = { source = "terraform-provider-mesh/mesh" }
  }
}

locals {
  eks = {
    for key, cluster in var.eks : key => {
      host                   = cluster.cluster_endpoint
      cluster_ca_certificate = base64decode(cluster.cluster_certificate_authority_data)
      exec = {
        api_version = "client.authentication.k8s.io/v1beta1"
        command     = "aws"
        args = concat(
          ["eks", "get-token", "--cluster-name", cluster.cluster_name],
          cluster.cluster_arn == null ? [] : ["--region", split(":", cluster.cluster_arn)[3]],
          cluster.args,
        )
        install_hint = "Install the AWS CLI, version 2."
      }
    }
  }

  gke = {
    for key, cluster in var.gke : key => {
      host                   = "https://${cluster.endpoint}"
      cluster_ca_certificate = cluster.ca_certificate == null ? null : base64decode(cluster.ca_certificate)
      exec = {
        api_version          = "client.authentication.k8s.io/v1beta1"
        command              = "gke-gcloud-auth-plugin"
        provide_cluster_info = true
        install_hint         = "Run `gcloud components install gke-gcloud-auth-plugin`."
      }
    }
  }

  # Without local accounts, AKS has no client certificate, and an empty string stands for it.
  aks = {
    for key, cluster in var.aks : key => {
      host                   = cluster.host
      cluster_ca_certificate = base64decode(cluster.cluster_ca_certificate)
      client_certificate     = cluster.client_certificate == "" ? null : base64decode(cluster.client_certificate)
      client_key             = cluster.client_certificate == "" ? null : base64decode(cluster.client_key)
      exec = cluster.client_certificate != "" ? null : {
        api_version  = "client.authentication.k8s.io/v1beta1"
        command      = "kubelogin"
        args         = concat(["get-token", "--server-id", "6dae42f8-4368-4678-94ff-3960e28e3630"], var.kubelogin_args)
        install_hint = "Install kubelogin, for example by `az aks install-cli`."
      }
    }
  }

  keys = concat(keys(var.eks), keys(var.gke), keys(var.aks))

  # Apart from `clusters`, on which the provider's configuration depends: a function of the provider in it would be a cycle.
  gateway_annotations = merge(
    { for key in keys(var.eks) : key => provider::mesh::load_balancer("eks", lookup(var.load_balancer_options, key, {})) },
    { for key in keys(var.gke) : key => provider::mesh::load_balancer("gke", lookup(var.load_balancer_options, key, {})) },
    { for key in keys(var.aks) : key => provider::mesh::load_balancer("aks", lookup(var.load_balancer_options, key, {})) },
  )
}
