# After elliotechne/tfvisualizer and tutorials: values of the chart `base`. The names of their releases can't be chosen.
resource "mesh_cluster" "eu" {
  cluster     = "eu"
  mesh_id     = "mesh1"
  network     = "eu-net"
  base_values = [yamlencode({ defaultRevision = "default" })]
}
