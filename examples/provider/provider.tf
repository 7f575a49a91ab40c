provider "mesh" {
  clusters = {
    # By a kubeconfig.
    us = { config_path = "~/.kube/config", config_context = "prod-us-east-1" }

    # By a host and a program that prints credentials.
    eu = {
      host                   = "https://eu.example.com:6443"
      cluster_ca_certificate = file("eu-ca.pem")
      exec = {
        api_version = "client.authentication.k8s.io/v1"
        command     = "aws"
        args        = ["eks", "get-token", "--cluster-name", "prod-eu"]
      }
    }
  }
  helm = {
    version = "1.31.0"
  }
}
