//! The modules' own tests, as their users run them: with plans of the provider itself, and with mocks.

use std::path::Path;

use crate::{
    fixture::{lab, source},
    workspace::{Workspace, clis, text},
};

#[test]
fn the_tests_of_the_modules_pass() {
    let modules = std::fs::read_dir(source("examples/modules")).expect("the modules");
    modules.for_each(|module| tests_pass(&module.expect("a module").path()));
}

fn tests_pass(module: &Path) {
    let lab = lab();
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
        let mut runs = 0;
        for file in files(module).iter().chain(&files(&module.join("tests"))) {
            let relative = file.strip_prefix(module).expect("in the module");
            let content = std::fs::read_to_string(file).expect("a file");
            runs += content.lines().filter(|line| line.starts_with("run \"")).count();
            workspace.write(&relative.to_string_lossy(), &content);
        }
        assert!(runs > 0, "{} has no tests", module.display());
        let output = workspace
            .command(&["test", "-no-color"])
            .env("PATH", std::env::join_paths(&path).expect("a PATH"))
            .output()
            .expect("the CLI starts");
        let printed = text(&output);
        assert!(
            output.status.success() && printed.contains(&format!("{runs} passed, 0 failed")),
            "{} test of {}:\n{printed}",
            cli.name,
            module.display()
        );
    }
}
