# After zioproto/istio-aks-example: an internal load balancer of AKS, and pods that mount a Secret of another store.
resource "mesh_cluster" "eu" {
  cluster = "eu"
  mesh_id = "mesh1"
  network = "eu-net"
  values = [yamlencode({
    volumes      = [{ name = "secrets-store", csi = { driver = "secrets-store.csi.k8s.io", readOnly = true } }]
    volumeMounts = [{ name = "secrets-store", mountPath = "/mnt/secrets-store", readOnly = true }]
  })]
}

resource "mesh_eastwest_gateway" "eu" {
  cluster             = "eu"
  network             = mesh_cluster.eu.network
  service_annotations = provider::mesh::load_balancer("aks", { internal = true, subnet = "gateways" })
}
