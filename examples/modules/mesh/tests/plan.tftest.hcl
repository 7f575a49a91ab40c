# What the module plans, by the provider itself. A plan contacts no cluster, so these need not exist; a `helm` must be on the PATH.

provider "mesh" {
  clusters = {
    us = { host = "https://us.example.com:6443", token = "none" }
    eu = { host = "https://eu.example.com:6443", token = "none" }
    ap = { host = "https://ap.example.com:6443", token = "none" }
  }
}

variables {
  mesh_id      = "training-mesh"
  root_cluster = "us"
  members      = { us = { network = "us-net" }, eu = { network = "eu-net" } }
  exports      = { "echo.eu.mesh.local" = { cluster = "eu", namespace = "echo", service = "echo" } }
}

run "a_third_cluster_does_not_move_the_root" {
  command = plan

  variables {
    members = { ap = { network = "ap-net" }, us = { network = "us-net" }, eu = { network = "eu-net" } }
  }

  assert {
    condition     = mesh_root_ca.this.cluster == "us"
    error_message = "The root is in ${mesh_root_ca.this.cluster}."
  }
}

run "each_gateway_is_on_the_network_of_its_cluster" {
  command = plan

  assert {
    condition     = alltrue([for key, gateway in mesh_eastwest_gateway.this : gateway.network == var.members[key].network])
    error_message = "A gateway is on another network than its cluster."
  }
}

run "all_others_import" {
  command = plan

  assert {
    condition     = mesh_service_export.this["echo.eu.mesh.local"].importers == toset(["us"])
    error_message = "The export isn't imported by the US alone."
  }
}

run "an_importer_can_be_left_out" {
  command = plan

  variables {
    exports = { "echo.eu.mesh.local" = { cluster = "eu", namespace = "echo", service = "echo", importers = [] } }
  }

  assert {
    condition     = length(mesh_service_export.this["echo.eu.mesh.local"].importers) == 0
    error_message = "Somebody imports."
  }
}

run "a_cluster_leaves_while_the_provider_still_reaches_it" {
  command = plan

  variables {
    members = { us = { network = "us-net" } }
    exports = {}
  }

  assert {
    condition     = keys(mesh_cluster.this) == ["us"] && keys(mesh_eastwest_gateway.this) == ["us"]
    error_message = "The EU is still a member."
  }
}

run "a_cluster_with_another_key_keeps_its_name_in_istio" {
  command = plan

  variables {
    members = { us = { network = "us-net" }, ap = { network = "eu-net", cluster_name = "eu" } }
    exports = {}
  }

  assert {
    condition     = mesh_cluster.this["ap"].cluster_name == "eu"
    error_message = "Sidecars of the cluster would have to restart."
  }
}

run "only_the_callers_that_are_named_may_call" {
  command = plan

  variables {
    exports = {
      "echo.eu.mesh.local" = { cluster = "eu", namespace = "echo", service = "echo", callers = ["spiffe://cluster.local/ns/shop/sa/cart"] }
    }
  }

  assert {
    condition     = mesh_service_export.this["echo.eu.mesh.local"].callers == toset(["spiffe://cluster.local/ns/shop/sa/cart"])
    error_message = "The export has other callers."
  }
}
