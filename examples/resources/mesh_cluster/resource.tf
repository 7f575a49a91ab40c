resource "mesh_cluster" "eu" {
  cluster      = "eu"
  ca           = mesh_cluster_ca.eu
  mesh_id      = "training-mesh"
  trust_domain = "corp.local"
  network      = "eu-net"
  mtls_mode    = "STRICT"
}
