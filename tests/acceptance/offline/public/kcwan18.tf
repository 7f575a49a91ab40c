# After Kcwan18/terraform-sample: the client's address is kept, and the load balancer sends PROXY headers; the values are booleans.
resource "mesh_eastwest_gateway" "eu" {
  cluster             = "eu"
  network             = "eu-net"
  service_annotations = { "service.beta.kubernetes.io/aws-load-balancer-proxy-protocol" = "*", "service.beta.kubernetes.io/aws-load-balancer-internal" = true }
  values              = [yamlencode({ service = { externalTrafficPolicy = "Local" } })]
}
