//! The Service that an export names.

use super::Mesh;

pub(super) fn an_export_of_a_missing_service_names_those_that_exist(mesh: &Mesh) {
    let workspace = mesh.beside(
        r#"
        resource "mesh_service_export" "bad" {
          host      = "ecko.eu.mesh.local"
          gateway   = { cluster = "eu", namespace = "istio-system", name = "istio-eastwestgateway", addresses = ["198.51.100.130"] }
          namespace = "echo"
          service   = "ecko"
          importers = ["us"]
        }
        "#,
    );
    let refused = workspace.fail(&["apply", "-auto-approve", "-no-color"]);
    for words in ["has the Services `echo`", "service = \"ecko\""] {
        assert!(refused.contains(words), "{} doesn't show `{words}`:\n{refused}", mesh.cli.name);
    }
}
