resource "mesh_eastwest_gateway" "eu" {
  cluster = mesh_cluster.eu.cluster
  network = mesh_cluster.eu.network
  service_annotations = {
    "service.beta.kubernetes.io/aws-load-balancer-type" = "nlb"
  }
}
