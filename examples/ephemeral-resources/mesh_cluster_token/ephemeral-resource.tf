# A token for what only reads, issued anew in every run.
ephemeral "mesh_cluster_token" "reader" {
  cluster         = "eu"
  namespace       = "kube-system"
  service_account = "reader"
}

# Whatever else this run does in the cluster, it does as the reader.
provider "mesh" {
  alias = "reader"
  clusters = {
    eu = {
      host                   = "https://eu.example.com:6443"
      cluster_ca_certificate = file("eu-ca.pem")
      token                  = ephemeral.mesh_cluster_token.reader.token
    }
  }
}
