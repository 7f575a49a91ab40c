# cert-manager's istio-csr signs in both clusters: https://cert-manager.io/docs/usage/istio-csr/
locals {
  members = toset(["us", "eu"])
}

resource "mesh_cluster" "this" {
  for_each     = local.members
  cluster      = each.key
  mesh_id      = "shop-mesh"
  network      = "${each.key}-net"
  trust_domain = "corp.local"

  values = [yamlencode({
    global = { caAddress = "cert-manager-istio-csr.cert-manager.svc:443" }
    pilot  = { env = { ENABLE_CA_SERVER = "false" } }
  })]
}

resource "mesh_eastwest_gateway" "this" {
  for_each = local.members
  cluster  = each.key
  network  = mesh_cluster.this[each.key].network
}
