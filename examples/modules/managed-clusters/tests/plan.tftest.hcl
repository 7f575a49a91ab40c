# What the module makes of what the clouds' modules return. It contacts nothing, so the clusters need not exist.

provider "mesh" {
  clusters = {
    us = { host = "https://us.example.com", token = "none" }
  }
}

variables {
  eks = {
    us = {
      cluster_name                       = "prod-us"
      cluster_endpoint                   = "https://0123.gr7.us-east-1.eks.amazonaws.com"
      cluster_certificate_authority_data = "VVM="
      cluster_arn                        = "arn:aws:eks:us-east-1:111122223333:cluster/prod-us"
      args                               = ["--profile", "prod"]
    }
  }
  gke = {
    eu = { endpoint = "203.0.113.10", ca_certificate = "RVU=" }
    jp = { endpoint = "gke-0123.asia-northeast1.gke.goog" }
  }
  aks = {
    ap = { host = "https://prod-ap.hcp.azmk8s.io:443", cluster_ca_certificate = "QVA=", client_certificate = "Q0VSVA==", client_key = "S0VZ" }
    af = { host = "https://prod-af.hcp.azmk8s.io:443", cluster_ca_certificate = "QUY=", client_certificate = "", client_key = "" }
  }
  networks              = { jp = "asia" }
  load_balancer_options = { us = { internal = true }, eu = { internal = true, global_access = true } }
}

run "eks_is_reached_with_tokens_of_the_aws_cli" {
  command = plan

  assert {
    condition     = output.clusters.us.host == "https://0123.gr7.us-east-1.eks.amazonaws.com" && output.clusters.us.cluster_ca_certificate == "US"
    error_message = "The address or the certificate is another one."
  }

  assert {
    condition     = join(" ", output.clusters.us.exec.args) == "eks get-token --cluster-name prod-us --region us-east-1 --profile prod"
    error_message = "The arguments are others."
  }
}

run "the_region_is_left_to_the_aws_cli_where_it_is_not_known" {
  command = plan

  variables {
    eks = { us = { cluster_name = "prod-us", cluster_endpoint = "https://us.example.com", cluster_certificate_authority_data = "VVM=" } }
  }

  assert {
    condition     = join(" ", output.clusters.us.exec.args) == "eks get-token --cluster-name prod-us"
    error_message = "The arguments are others."
  }
}

run "gke_is_reached_with_its_plugin_which_is_told_of_the_cluster" {
  command = plan

  assert {
    condition     = output.clusters.eu.host == "https://203.0.113.10" && output.clusters.eu.cluster_ca_certificate == "EU"
    error_message = "The address or the certificate is another one."
  }

  assert {
    condition     = output.clusters.eu.exec.command == "gke-gcloud-auth-plugin" && output.clusters.eu.exec.provide_cluster_info
    error_message = "The plugin isn't told of the cluster."
  }

  assert {
    condition     = output.clusters.jp.cluster_ca_certificate == null
    error_message = "A public name has a certificate of its own."
  }
}

run "aks_is_reached_with_its_certificate_or_without_one_by_kubelogin" {
  command = plan

  variables {
    kubelogin_args = ["--login", "workloadidentity"]
  }

  assert {
    condition     = output.clusters.ap.client_certificate == "CERT" && output.clusters.ap.client_key == "KEY" && output.clusters.ap.exec == null
    error_message = "The certificate isn't used."
  }

  assert {
    condition     = output.clusters.af.client_certificate == null && output.clusters.af.client_key == null
    error_message = "An empty certificate is used."
  }

  assert {
    condition     = join(" ", output.clusters.af.exec.args) == "get-token --server-id 6dae42f8-4368-4678-94ff-3960e28e3630 --login workloadidentity"
    error_message = "The arguments are others."
  }
}

run "each_gateway_has_the_load_balancer_of_its_cloud" {
  command = plan

  assert {
    condition     = output.gateway_annotations.us["service.beta.kubernetes.io/aws-load-balancer-scheme"] == "internal"
    error_message = "The load balancer of EKS isn't internal."
  }

  assert {
    condition     = output.gateway_annotations.eu["networking.gke.io/load-balancer-type"] == "Internal"
    error_message = "The load balancer of GKE isn't internal."
  }

  assert {
    condition     = output.gateway_annotations.jp["cloud.google.com/l4-rbs"] == "enabled" && length(output.gateway_annotations.ap) == 0
    error_message = "A cluster without options has options."
  }
}

run "each_cluster_is_a_member_with_a_network" {
  command = plan

  assert {
    condition     = output.members == { us = { network = "us-net" }, eu = { network = "eu-net" }, jp = { network = "asia" }, ap = { network = "ap-net" }, af = { network = "af-net" } }
    error_message = "The members are ${jsonencode(output.members)}."
  }
}

run "a_key_names_one_cluster_only" {
  command = plan

  variables {
    gke                   = { us = { endpoint = "203.0.113.10", ca_certificate = "RVU=" } }
    networks              = {}
    load_balancer_options = {}
  }

  expect_failures = [output.clusters]
}

run "an_option_of_no_cluster_is_a_mistake" {
  command = plan

  variables {
    load_balancer_options = { usa = { internal = true } }
  }

  expect_failures = [output.members]
}
