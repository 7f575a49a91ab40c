# In a configuration of its own, before the one that makes the mesh: `terraform apply` fails if the mesh can't be installed, and says why.
data "mesh_precheck" "clusters" {
  istio_version = "1.31.0"

  lifecycle {
    postcondition {
      condition     = self.verdict != "error"
      error_message = self.summary
    }
  }
}

output "problems" {
  value = [for check in data.mesh_precheck.clusters.checks : check if check.severity != "ok"]
}

# Beside the mesh: a check block stops nothing, and warns.
check "clusters" {
  data "mesh_precheck" "now" {}

  assert {
    condition     = data.mesh_precheck.now.verdict == "ok"
    error_message = data.mesh_precheck.now.summary
  }
}
