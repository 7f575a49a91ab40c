# Warns after each apply, and in each plan, while something is wrong.
check "mesh" {
  data "mesh_status" "now" {}

  assert {
    condition     = data.mesh_status.now.verdict == "ok"
    error_message = data.mesh_status.now.summary
  }
}
