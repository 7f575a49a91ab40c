variable "gateway" {
  description = "The east-west gateway of the cluster whose Services are exported: a `mesh_eastwest_gateway`, or its attributes from another state."
  type = object({
    cluster      = string
    namespace    = string
    name         = string
    service_name = optional(string)
    label        = optional(string)
    port         = optional(number)
    addresses    = list(string)
  })
}

variable "domain" {
  description = "The hosts end in it: the Service `echo` is called as `echo.DOMAIN`, unless it has a `host` of its own."
  type        = string
}

variable "importers" {
  description = "The clusters that call the Services, by their keys in the provider's `clusters`: `[mesh_cluster.us.cluster]`. Empty where each of them has a `mesh_service_import` of its own."
  type        = set(string)
  default     = []
}

variable "services" {
  description = "The Services by their names. `callers` are SPIFFE IDs of the workloads that may call; without them, any workload of the mesh may."
  type = map(object({
    namespace        = string
    host             = optional(string)
    service_accounts = optional(set(string))
    callers          = optional(set(string))
    ports            = optional(list(object({ number = number, protocol = string, name = optional(string), target_port = optional(number) })))
    importers        = optional(set(string))
  }))
}
