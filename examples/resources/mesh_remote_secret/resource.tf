# istiod of the US reads the Services of the EU.
resource "mesh_remote_secret" "us_reads_eu" {
  cluster        = mesh_cluster.us.cluster
  remote         = mesh_cluster.eu
  remote_gateway = mesh_eastwest_gateway.eu
}
