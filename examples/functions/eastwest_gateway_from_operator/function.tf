locals {
  gateway = provider::mesh::eastwest_gateway_from_operator(file("${path.module}/eastwest-gateway.yaml"))
}

output "gateway" {
  value = local.gateway
}

check "gateway" {
  assert {
    condition     = length(local.gateway.ignored) == 0
    error_message = "Keys of eastwest-gateway.yaml without a counterpart: ${join(", ", local.gateway.ignored)}."
  }
}
