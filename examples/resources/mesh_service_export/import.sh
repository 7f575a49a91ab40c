terraform import mesh_service_export.echo eu/echo/echo.eu.mesh.local
