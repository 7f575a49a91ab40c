# What becomes of the module's parts, with a mocked provider: nothing is installed anywhere. To run it, set `prevent_destroy` of the root to
# false in a copy of the module: the CLI destroys what a test has applied, be it mocked.

# A mock makes up what a configuration leaves to the provider, and what it makes up for a name is no name: so these are given.
mock_provider "mesh" {
  mock_resource "mesh_root_ca" {
    defaults = { namespace = "istio-system", name = "mesh-root-ca", fingerprint = "0123456789abcdef" }
  }
  mock_resource "mesh_eastwest_gateway" {
    defaults = { namespace = "istio-system", name = "istio-eastwestgateway", addresses = ["198.51.100.9"], port = 15443 }
  }
}

variables {
  mesh_id      = "training-mesh"
  root_cluster = "us"
  members      = { us = { network = "us-net" }, eu = { network = "eu-net" } }
  exports      = { "echo.eu.mesh.local" = { cluster = "eu", namespace = "echo", service = "echo" } }
}

run "all_clusters_have_the_same_root" {
  assert {
    condition     = alltrue([for ca in mesh_cluster_ca.this : ca.root_ca.fingerprint == "0123456789abcdef"])
    error_message = "A cluster's CA is of another root."
  }
}

run "who_calls_is_sent_to_the_gateway" {
  assert {
    condition     = mesh_service_export.this["echo.eu.mesh.local"].gateway.addresses == tolist(["198.51.100.9"])
    error_message = "The export doesn't point at the gateway."
  }

  assert {
    condition     = output.gateways["eu"] == tolist(["198.51.100.9"])
    error_message = "The output isn't the gateway's address."
  }
}
