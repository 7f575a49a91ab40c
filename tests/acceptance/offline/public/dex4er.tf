# After dex4er/terraform-kind-istio-multicluster: MetalLB with a fixed address, and a Service of another cluster at a virtual address. Its host,
# podinfo.podinfo.svc.cluster.local, is that of a Service of Kubernetes, which an export can't have.
resource "mesh_eastwest_gateway" "eu" {
  cluster             = "eu"
  network             = "eu-net"
  service_annotations = provider::mesh::load_balancer("metallb", { addresses = "172.18.255.9" })
  values = [yamlencode({
    service = { loadBalancerIP = "172.18.255.9", ports = [{ name = "tls", port = 15443, targetPort = 15443 }] }
  })]
}

resource "mesh_service_export" "podinfo" {
  host      = "podinfo.podinfo.global"
  gateway   = mesh_eastwest_gateway.eu
  namespace = "podinfo"
  service   = "podinfo"
  vip       = "240.0.0.1"
  importers = ["us"]
}
