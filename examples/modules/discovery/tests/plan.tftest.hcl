# What the module plans, by the provider itself. A plan contacts no cluster, so these need not exist.

provider "mesh" {
  clusters = {
    us = { host = "https://us.example.com:6443", token = "none" }
    eu = { host = "https://eu.example.com:6443", token = "none" }
    ap = { host = "https://127.0.0.1:6443", token = "none" }
  }
}

variables {
  clusters = {
    us = { cluster = "us" }
    eu = { cluster = "eu", cluster_name = "europe", namespace = "mesh-system" }
    ap = { cluster = "ap" }
  }
  gateways = {
    us = { cluster = "us", addresses = ["198.51.100.9"] }
    eu = { cluster = "eu", addresses = ["198.51.100.10"] }
    ap = { cluster = "ap", addresses = ["198.51.100.11"] }
  }
  servers = { ap = "https://ap.example.com:6443" }
}

run "every_cluster_reads_every_other" {
  command = plan

  assert {
    condition     = length(mesh_remote_secret.this) == 6 && !contains(keys(mesh_remote_secret.this), "us reads us")
    error_message = "The pairs are ${jsonencode(keys(mesh_remote_secret.this))}."
  }

  assert {
    condition     = mesh_remote_secret.this["us reads eu"].remote.cluster_name == "europe" && mesh_remote_secret.this["eu reads us"].namespace == "mesh-system"
    error_message = "A cluster's name or namespace is another one."
  }

  assert {
    condition     = mesh_remote_secret.this["us reads ap"].server == "https://ap.example.com:6443" && mesh_remote_secret.this["us reads eu"].server == null
    error_message = "The API server of ap isn't the one for pods."
  }
}

run "a_pair_of_clusters_has_two_directions" {
  command = plan

  variables {
    clusters = { us = { cluster = "us" }, eu = { cluster = "eu" } }
    rotation = 2
  }

  assert {
    condition     = toset(keys(mesh_remote_secret.this)) == toset(["us reads eu", "eu reads us"]) && mesh_remote_secret.this["us reads eu"].rotation == 2
    error_message = "The pairs are ${jsonencode(keys(mesh_remote_secret.this))}."
  }
}
