# What the module plans, by the provider itself. A plan contacts no cluster, so these need not exist; a `helm` must be on the PATH.

provider "mesh" {
  clusters = {
    us = { host = "https://us.example.com:6443", token = "none" }
    eu = { host = "https://eu.example.com:6443", token = "none" }
  }
}

variables {
  domain    = "eu.mesh.local"
  importers = ["us"]
  gateway   = { cluster = "eu", namespace = "istio-system", name = "istio-eastwestgateway", addresses = ["198.51.100.9"] }
  services = {
    echo = { namespace = "echo", service_accounts = ["echo"] }
    cart = { namespace = "shop", host = "cart.example.com", callers = [], ports = [{ number = 80, protocol = "HTTP" }] }
  }
}

run "a_host_is_the_name_of_the_service_in_the_domain" {
  command = plan

  assert {
    condition     = output.hosts == { echo = "echo.eu.mesh.local", cart = "cart.example.com" }
    error_message = "The hosts are ${jsonencode(output.hosts)}."
  }
}

run "all_are_imported_by_the_same_clusters" {
  command = plan

  assert {
    condition     = alltrue([for export in mesh_service_export.this : export.importers == toset(["us"])])
    error_message = "An export has other importers."
  }
}

run "a_service_may_have_importers_of_its_own" {
  command = plan

  variables {
    services = { echo = { namespace = "echo", importers = [] } }
  }

  assert {
    condition     = length(mesh_service_export.this["echo"].importers) == 0
    error_message = "The export has importers."
  }
}

run "no_callers_are_not_all_callers" {
  command = plan

  assert {
    condition     = length(mesh_service_export.this["cart"].callers) == 0 && mesh_service_export.this["echo"].callers == null
    error_message = "An empty list means nobody, and no list everybody."
  }
}
