variable "clusters" {
  description = "The clusters, by their keys in the provider's `clusters`: `mesh_cluster.this`, made with `for_each`."
  type        = map(object({ cluster = string, cluster_name = optional(string), namespace = optional(string, "istio-system") }))
}

variable "gateways" {
  description = "The east-west gateways, by the same keys: `mesh_eastwest_gateway.this`. Their `exposed_services` say what can be called."
  type        = map(object({ cluster = string, addresses = list(string) }))
}

variable "servers" {
  description = "URLs of API servers as the pods of the other clusters reach them, where they aren't those of the provider's `clusters`, by key."
  type        = map(string)
  default     = {}
}

variable "token_lifetime_hours" {
  description = "For how many hours tokens are asked for."
  type        = number
  default     = 2160
}

variable "renew_before_hours" {
  description = "How many hours before its end a token is renewed, by the first apply after that."
  type        = number
  default     = 720
}

variable "rotation" {
  description = "A change of this number issues new tokens for all."
  type        = number
  default     = null
}
