# What the fragments in the documents refer to: a mesh of two clusters. A block that a fragment has itself is left out.

provider "mesh" {
  clusters = {
    us = { host = "https://us.example.com", token = "none" }
    eu = { host = "https://eu.example.com", token = "none" }
  }
}

resource "mesh_root_ca" "mesh" {
  cluster = "us"
}

resource "mesh_root_ca" "next" {
  cluster = "us"
  name    = "mesh-root-ca-next"
}

resource "mesh_cluster_ca_request" "eu" {
  cluster = "eu"
}

resource "mesh_cluster_ca" "us" {
  cluster = "us"
  root_ca = mesh_root_ca.mesh
}

resource "mesh_cluster_ca" "eu" {
  cluster = "eu"
  root_ca = mesh_root_ca.mesh
}

resource "mesh_cluster" "us" {
  cluster = "us"
  ca      = mesh_cluster_ca.us
  mesh_id = "shop-mesh"
  network = "us-net"
}

resource "mesh_cluster" "eu" {
  cluster = "eu"
  ca      = mesh_cluster_ca.eu
  mesh_id = "shop-mesh"
  network = "eu-net"
}

resource "mesh_cluster" "this" {
  for_each = toset(["ap", "sa"])
  cluster  = each.key
  mesh_id  = "shop-mesh"
  network  = "${each.key}-net"
}

resource "mesh_eastwest_gateway" "us" {
  cluster = "us"
  network = mesh_cluster.us.network
}

resource "mesh_eastwest_gateway" "eu" {
  cluster = "eu"
  network = mesh_cluster.eu.network
}

resource "mesh_eastwest_gateway" "this" {
  for_each = mesh_cluster.this
  cluster  = each.key
  network  = each.value.network
}

resource "mesh_link" "us_to_eu" {
  cluster   = "us"
  network   = mesh_eastwest_gateway.eu.network
  addresses = mesh_eastwest_gateway.eu.addresses
}

resource "mesh_link" "eu_to_us" {
  cluster   = "eu"
  network   = mesh_eastwest_gateway.us.network
  addresses = mesh_eastwest_gateway.us.addresses
}

resource "mesh_global_service" "checkout" {
  host      = "checkout.mesh.local"
  namespace = "shop"
  service   = "checkout"
  gateways  = { us = mesh_eastwest_gateway.us, eu = mesh_eastwest_gateway.eu }
}

resource "mesh_service_export" "echo" {
  host      = "echo.eu.mesh.local"
  gateway   = mesh_eastwest_gateway.eu
  namespace = "echo"
  service   = "echo"
  importers = ["us"]
}

resource "mesh_service_import" "cart" {
  cluster = "us"
  service = {
    host              = "cart.eu.mesh.local"
    address           = "240.0.0.9"
    ports             = [{ number = 80, name = "http", protocol = "HTTP" }]
    identities        = []
    gateway_addresses = ["203.0.113.7"]
  }
}

resource "mesh_remote_secret" "us_reads_eu" {
  cluster        = "us"
  remote         = mesh_cluster.eu
  remote_gateway = mesh_eastwest_gateway.eu
}

module "mesh" {
  source       = "./modules/mesh"
  mesh_id      = "shop-mesh"
  root_cluster = "us"
  members = {
    us     = { network = "us-net" }
    europe = { network = "eu-net", cluster_name = "eu" }
  }
}
