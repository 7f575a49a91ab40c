# The same with its own host.
resource "mesh_service_export" "podinfo" {
  host      = "podinfo.podinfo.svc.cluster.local"
  gateway   = { cluster = "eu", namespace = "istio-system", name = "istio-eastwestgateway", addresses = ["172.18.255.9"] }
  namespace = "podinfo"
  service   = "podinfo"
  importers = ["us"]
}
