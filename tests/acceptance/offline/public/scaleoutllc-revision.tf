# The same with a revision, as Solo's values and zioproto/istio-aks-example have one, too.
resource "mesh_cluster" "eu" {
  cluster = "eu"
  mesh_id = "mesh1"
  network = "eu-net"
  values  = [yamlencode({ revision = "1-22-2" })]
}
