//! A cluster whose API server doesn't answer.

use super::Mesh;

pub(super) fn an_unreachable_cluster_loses_no_state(mesh: &Mesh) {
    let before = instances(&mesh.workspace.read("terraform.tfstate"));
    let runs: [&[&str]; 3] =
        [&["plan", "-no-color"], &["destroy", "-auto-approve", "-no-color"], &["apply", "-refresh-only", "-auto-approve", "-no-color"]];
    let copies = runs.map(|_| mesh.workspace.copy());
    mesh.eu.stop_api_server().expect("stopped");
    std::thread::scope(|scope| {
        let running = runs.iter().zip(&copies).map(|(run, copy)| scope.spawn(move || copy.fail(run))).collect::<Vec<_>>();
        for (run, failed) in runs.iter().zip(running) {
            let failed = failed.join().expect("a failure");
            assert!(failed.contains("cluster \"eu\"") && failed.contains("198.51.100.12"), "{run:?}: {failed}");
        }
    });
    mesh.eu.start_api_server().expect("started");
    for (run, copy) in runs.iter().zip(&copies) {
        assert_eq!(instances(&copy.read("terraform.tfstate")), before, "{}: {run:?} lost state", mesh.cli.name);
    }
}

/// How many instances each resource of a state has.
fn instances(state: &str) -> Vec<usize> {
    let state: serde_json::Value = serde_json::from_str(state).expect("JSON");
    state["resources"].as_array().expect("resources").iter().map(|of| of["instances"].as_array().map_or(0, Vec::len)).collect()
}
