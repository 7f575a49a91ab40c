//! The modules' own tests, as their users run them: with plans of the provider itself, and with mocks. And their examples, planned.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use mesh_lab::Lab;
use serde_json::{Value as Json, json};

use super::installed::state::kubeconfig;
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
        let output = workspace.command(&["test", "-no-color"]).env("PATH", path_with_helm(&lab)).output().expect("the CLI starts");
        let printed = text(&output);
        assert!(
            output.status.success() && printed.contains(&format!("{runs} passed, 0 failed")),
            "{} test of {}:\n{printed}",
            cli.name,
            module.display()
        );
    }
}

/// A plan looks whether there is a helm.
fn path_with_helm(lab: &Lab) -> OsString {
    let mut path = vec![lab.binaries().helm.parent().expect("a folder").to_path_buf()];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    std::env::join_paths(path).expect("a PATH")
}

/// The examples of the modules, each with the variables that it needs besides `clusters`, and how many resources it plans.
fn examples() -> [(&'static str, Json, usize); 4] {
    let ca = base64_of_a_certificate();
    [
        // The remote secrets are six, and of the mesh are a root and, for each cluster, a CA, a control plane and a gateway.
        ("discovery/examples/full-mesh", json!({}), 16),
        ("exports/examples/team", json!({}), 2),
        (
            "managed-clusters/examples/existing-clusters",
            json!({
                "eks": {
                    "cluster_name": "prod-us",
                    "cluster_endpoint": "https://us.example.com",
                    "cluster_certificate_authority_data": ca,
                    "cluster_arn": "arn:aws:eks:us-east-1:111122223333:cluster/prod-us",
                },
                "gke": {"endpoint": "203.0.113.10", "ca_certificate": ca},
                "aks": {"host": "https://ap.example.com", "cluster_ca_certificate": ca},
            }),
            10,
        ),
        ("mesh/examples/three-clusters", json!({}), 12),
    ]
}

fn base64_of_a_certificate() -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let key = rcgen::KeyPair::generate().expect("a key");
    STANDARD.encode(rcgen::CertificateParams::default().self_signed(&key).expect("a certificate").pem())
}

/// The folders `examples/modules/MODULE/examples/EXAMPLE`.
fn folders_of_examples(modules: &Path) -> Vec<String> {
    let folders = |path: PathBuf| fs::read_dir(path).into_iter().flatten().map(|entry| entry.expect("an entry").path());
    let found = folders(modules.to_path_buf()).flat_map(|module| folders(module.join("examples")));
    let mut names: Vec<_> = found.map(|path| path.strip_prefix(modules).expect("in it").display().to_string()).collect();
    names.sort();
    names
}

#[test]
fn the_examples_of_the_modules_are_planned() {
    let lab = lab();
    let (modules, examples) = (source("examples/modules"), examples());
    assert_eq!(folders_of_examples(&modules), examples.each_ref().map(|(folder, ..)| (*folder).to_owned()), "each example is in the list");
    for cli in clis(&lab) {
        let workspace = Workspace::new(&cli, "");
        for (folder, variables, count) in &examples {
            // Beside all modules, as in the source.
            for module in fs::read_dir(&modules).expect("the modules").map(|entry| entry.expect("an entry").file_name()) {
                let module = module.to_string_lossy();
                if !workspace.path(&module).is_dir() {
                    workspace.add_module(&module);
                }
            }
            fs::create_dir_all(workspace.path(folder)).expect("a folder");
            workspace.write(&format!("{folder}/main.tf"), &fs::read_to_string(modules.join(folder).join("main.tf")).expect("an example"));
            workspace.write("kubeconfig", &kubeconfig(&["nowhere"]));
            let mut variables = variables.clone();
            let access = json!({"config_path": workspace.path("kubeconfig")});
            if variables.get("eks").is_none() {
                variables["clusters"] = json!({"us": access, "eu": access, "ap": access});
            }
            workspace.write(&format!("{folder}/terraform.tfvars.json"), &variables.to_string());
            let chdir = format!("-chdir={folder}");
            workspace.succeed(&[&chdir, "get"]);
            let plan =
                workspace.command(&[&chdir, "plan", "-no-color"]).env("PATH", path_with_helm(&lab)).output().expect("the CLI starts");
            let printed = text(&plan);
            assert!(plan.status.success(), "{} plan of {folder}:\n{printed}", cli.name);
            assert!(printed.contains(&format!("Plan: {count} to add, 0 to change, 0 to destroy.")), "{} {folder}:\n{printed}", cli.name);
        }
    }
}
