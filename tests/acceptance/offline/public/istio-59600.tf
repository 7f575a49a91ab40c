# After istio/istio#59600, a federation written manually: the host is seen by one namespace, and the gateway has a name of a load balancer.
resource "mesh_service_export" "echo" {
  host               = "echo.eu.mesh.local"
  gateway            = { cluster = "eu", namespace = "istio-system", name = "istio-eastwestgateway", addresses = ["k8s-gateway-0123.elb.eu-central-1.amazonaws.com"] }
  namespace          = "echo"
  service            = "echo"
  ports              = [{ number = 80, name = "http", protocol = "HTTP", target_port = 8080 }]
  selector           = { app = "echo" }
  service_accounts   = ["echo"]
  trust_domain       = "corp.local"
  export_to          = ["."]
  importer_namespace = "clients"
  importers          = ["us"]
}
