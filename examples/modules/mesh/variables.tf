variable "members" {
  description = "The clusters of the mesh, by their keys in the provider's `clusters`, with their networks. A cluster leaves the mesh by leaving this map, and stays in `clusters` until that is applied. `cluster_name` is Istio's name for the cluster; its key if left out."
  type        = map(object({ network = string, cluster_name = optional(string) }))
}

variable "mesh_id" {
  description = "The mesh's name."
  type        = string
}

variable "trust_domain" {
  description = "The trust domain of all identities in the mesh."
  type        = string
  default     = "cluster.local"
}

variable "root_cluster" {
  description = "The cluster that keeps the root CA's key: one of `members`. A change moves the root there."
  type        = string
}

variable "mtls_mode" {
  description = "The mesh-wide mode of mutual TLS."
  type        = string
  default     = "STRICT"
}

variable "exports" {
  description = "The exported services by host name. All other clusters import one unless `importers` lists fewer. `callers` are SPIFFE IDs of the workloads that may call; without them, any workload of the mesh may."
  type = map(object({
    cluster          = string
    namespace        = string
    service          = string
    service_accounts = optional(set(string))
    callers          = optional(set(string))
    importers        = optional(set(string))
  }))
  default = {}
}

variable "gateway_annotations" {
  description = "Annotations of each gateway's Service, by cluster."
  type        = map(map(string))
  default     = {}
}

variable "istiod_values" {
  description = "Helm values for the chart `istiod`, as YAML."
  type        = list(string)
  default     = []
}

variable "gateway_values" {
  description = "Helm values for the chart `gateway`, as YAML."
  type        = list(string)
  default     = []
}
