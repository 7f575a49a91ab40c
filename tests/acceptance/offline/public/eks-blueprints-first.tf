# After aws-ia/terraform-aws-eks-blueprints, patterns/istio-multi-cluster/multi-network-multi-primary/eks_1.tf: a new mesh on EKS, with the
# gateway in a namespace of its own, an internet-facing NLB and RSA authorities of ten years.
resource "mesh_root_ca" "mesh" {
  cluster       = "us"
  common_name   = "Root CA"
  organization  = "Istio"
  validity_days = 3650
}

resource "mesh_cluster_ca" "us" {
  cluster       = "us"
  root_ca       = mesh_root_ca.mesh
  key_algorithm = "RSA-2048"
  validity_days = 3649
}

resource "mesh_cluster" "us" {
  cluster      = "us"
  ca           = mesh_cluster_ca.us
  mesh_id      = "mesh1"
  network      = "us-net"
  cluster_name = "cluster-1"
  values = [yamlencode({
    gateways = { istio-ingressgateway = { injectionTemplate = "gateway" } }
  })]
}

resource "mesh_eastwest_gateway" "us" {
  cluster             = "us"
  network             = mesh_cluster.us.network
  namespace           = "istio-ingress"
  service_annotations = provider::mesh::load_balancer("eks", { cross_zone = true })
  values = [yamlencode({
    labels  = { istio = "eastwestgateway", app = "istio-eastwestgateway", "topology.istio.io/network" = "us-net" }
    service = { ports = [{ name = "status-port", port = 15021, targetPort = 15021 }] }
  })]
}
