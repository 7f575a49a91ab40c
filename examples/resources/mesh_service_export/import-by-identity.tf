import {
  to = mesh_service_export.echo
  identity = {
    cluster   = "eu"
    namespace = "echo"
    host      = "echo.eu.mesh.local"
  }
}
