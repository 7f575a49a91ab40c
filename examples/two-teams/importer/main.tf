# The team of the cluster `us` calls the Service that the other team shares. It has access to no other cluster, and reads the other team's state.

terraform {
  required_providers {
    mesh = { source = "terraform-provider-mesh/mesh" }
  }
}

variable "cluster" {
  description = "Access to the cluster `us`."
  type        = object({ config_path = string, config_context = optional(string) })
}

variable "exporter_state" {
  description = "The state of the exporting team. In production it is in a backend that both teams can read."
  type        = string
  default     = "../exporter/terraform.tfstate"
}

provider "mesh" {
  clusters = { us = var.cluster }
}

data "terraform_remote_state" "eu" {
  backend = "local"
  config  = { path = var.exporter_state }
}

resource "mesh_service_import" "echo" {
  cluster = "us"
  service = data.terraform_remote_state.eu.outputs.echo
}
