//! What exists and belongs to another state.

use super::Mesh;
use crate::fixture::example;

pub(super) fn objects_of_another_state_are_left_alone(mesh: &Mesh) {
    let second = example(&mesh.lab, &mesh.cli);
    let refused = second.fail(&["apply", "-auto-approve", "-no-color"]);
    assert!(
        refused.contains("Already exists") && refused.contains("terraform import mesh_root_ca.<name> us/istio-system/mesh-root-ca"),
        "{refused}"
    );
}
