# After silazare/terraform-istio-multicluster: settings of istiod by environment, a classic annotation, and long timeouts.
resource "mesh_cluster" "eu" {
  cluster  = "eu"
  mesh_id  = "mesh1"
  network  = "eu-net"
  values   = [yamlencode({ pilot = { env = { EXTERNAL_ISTIOD = "true" } } })]
  timeouts = { create = "900s", update = "900s", delete = "900s" }
}

resource "mesh_eastwest_gateway" "eu" {
  cluster             = "eu"
  network             = mesh_cluster.eu.network
  service_annotations = { "service.beta.kubernetes.io/aws-load-balancer-type" = "nlb" }
  timeouts            = { create = "15m" }
}
