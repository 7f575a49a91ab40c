//! Exports of all Services with a label.

use super::Mesh;
use crate::traffic::{call_until, is_ok};

pub(super) fn a_label_of_a_service_exports_it(mesh: &Mesh) {
    let address = mesh.workspace.state("mesh_eastwest_gateway.this[\"eu\"]")["addresses"][0].as_str().expect("an address").to_owned();
    let workspace = mesh.beside(&format!(
        r#"
        data "mesh_services" "exported" {{
          cluster    = "eu"
          namespaces = ["echo"]
          labels     = {{ "mesh.example.com/export" = "true" }}
        }}

        resource "mesh_service_export" "exported" {{
          for_each  = data.mesh_services.exported.services
          host      = "${{each.value.name}}.${{each.value.namespace}}.labelled.mesh.local"
          gateway   = {{ cluster = "eu", namespace = "istio-system", name = "istio-eastwestgateway", addresses = ["{address}"] }}
          namespace = each.value.namespace
          service   = each.value.name
          importers = ["us"]
        }}
        "#
    ));
    let label = |value: &str| {
        mesh.eu.kubectl(&["label", "-n", "echo", "service/echo", &format!("mesh.example.com/export{value}")]).expect("labelled")
    };
    workspace.apply();
    assert!(workspace.resources().is_empty(), "{}: nothing has the label yet", mesh.cli.name);
    label("=true");
    workspace.apply();
    workspace.assert_settled();
    assert_eq!(workspace.resources().len(), 1, "{}", mesh.cli.name);
    let answer = call_until(&mesh.lab, "http://echo.echo.labelled.mesh.local/", is_ok);
    assert!(answer.contains("Cluster=eu"), "{answer}");
    label("-");
    let plan = workspace.changes();
    assert!(plan.contains("0 to add, 0 to change, 1 to destroy"), "{plan}");
    workspace.apply();
    call_until(&mesh.lab, "http://echo.echo.labelled.mesh.local/", |answer| !is_ok(answer));
}
