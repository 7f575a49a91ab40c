//! The module's own tests, as its users run them: with plans of the provider itself, and mocked.

use std::path::Path;

use mesh_lab::Lab;

use crate::workspace::{Workspace, clis, text};

#[test]
fn the_tests_of_the_module_pass() {
    let lab = Lab::attach().expect("a lab; `make lab-up` makes one");
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/modules/mesh");
    let files = |folder: &Path| {
        std::fs::read_dir(folder)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.is_file())
            .collect::<Vec<_>>()
    };
    // A plan looks whether there is a helm.
    let mut path = vec![lab.binaries().helm.parent().expect("a folder").to_path_buf()];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    for cli in clis(&lab) {
        let workspace = Workspace::new(&cli, "");
        std::fs::create_dir(workspace.path("tests")).expect("a folder");
        for file in files(&module).iter().chain(&files(&module.join("tests"))) {
            let relative = file.strip_prefix(&module).expect("in the module");
            workspace.write(&relative.to_string_lossy(), &std::fs::read_to_string(file).expect("a file"));
        }
        let output = workspace
            .command(&["test", "-no-color"])
            .env("PATH", std::env::join_paths(&path).expect("a PATH"))
            .output()
            .expect("the CLI starts");
        let said = text(&output);
        assert!(output.status.success() && said.contains("6 passed, 0 failed"), "{} test:\n{said}", cli.name);
    }
}
