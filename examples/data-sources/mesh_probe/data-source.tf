# Calls the EU from a pod of the US after each apply, and in each plan, and warns if that fails.
check "echo" {
  data "mesh_probe" "echo" {
    cluster  = "us"
    url      = "http://echo.eu.mesh.local/"
    requests = 3
    from     = { namespace = "echo", labels = { app = "client" } }
  }

  assert {
    condition     = data.mesh_probe.echo.ok
    error_message = data.mesh_probe.echo.summary
  }
}
