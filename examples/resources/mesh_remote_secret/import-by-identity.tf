import {
  to = mesh_remote_secret.us_reads_eu
  identity = {
    cluster        = "us"
    namespace      = "istio-system"
    remote_cluster = "eu"
  }
}
