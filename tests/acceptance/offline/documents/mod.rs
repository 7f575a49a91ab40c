//! Every configuration in the documents is valid.

pub(super) mod blocks;
mod fragments;

use std::{
    fs,
    io::Write as _,
    process::{Output, Stdio},
    thread,
};

use self::{
    blocks::{Block, blocks},
    fragments::{Completion, FRAGMENTS, completion_of},
};
use super::installed::state::kubeconfig;
use crate::{
    fixture::{REQUIREMENT, example_file, lab, source},
    workspace::{Cli, Workspace, clis, text},
};

const MESH: &str = include_str!("mesh.tf");
const CLOUD: &str = include_str!("cloud.tf");

#[test]
fn each_configuration_in_the_documents_is_valid() {
    let (lab, blocks) = (lab(), blocks());
    let blocks: Vec<_> = blocks.iter().filter(|block| block.is_hcl()).collect();
    assert!(blocks.len() > 90, "only {} configurations are in the documents", blocks.len());
    let check = |cli: &Cli| -> Vec<String> {
        // The generated pages have imports by identity, which older CLIs don't know.
        let blocks = blocks.iter().filter(|block| cli.version() >= (1, 12) || !block.is_generated());
        blocks.filter_map(|block| fault(cli, block).map(|fault| format!("{} with {}:\n{fault}", block.place, cli.name))).collect()
    };
    let clis = clis(&lab);
    let faults: Vec<String> = thread::scope(|scope| {
        let checks: Vec<_> = clis.iter().map(|cli| scope.spawn(move || check(cli))).collect();
        checks.into_iter().flat_map(|check| check.join().expect("a check that ends")).collect()
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn each_fragment_that_is_completed_is_in_a_document() {
    let blocks = blocks();
    for (page, words, _) in FRAGMENTS {
        let count = blocks.iter().filter(|block| block.page == *page && block.language == "hcl" && block.code.contains(words)).count();
        assert_eq!(count, 1, "{page} has {count} fragments with {words:?}");
    }
    for block in blocks.iter().filter(|block| !block.is_hcl()) {
        assert!(["shell", "text", "yaml", ""].contains(&block.language.as_str()), "{}: nobody checks {:?}", block.place, block.language);
        assert!(!block.code.contains("resource \"mesh_"), "{} is a configuration, and isn't marked as one", block.place);
    }
}

/// What a CLI finds wrong with a block.
fn fault(cli: &Cli, block: &Block) -> Option<String> {
    let Some(completion) = completion_of(block) else {
        let requirement = if block.code.contains("required_providers") { "" } else { REQUIREMENT };
        return invalid(&workspace(cli, &format!("{requirement}\n{}", block.code)));
    };
    match completion {
        Completion::Mesh => invalid(&workspace(cli, &beside_a_mesh(&block.code))),
        Completion::Within(whole) => invalid(&workspace(cli, &beside_a_mesh(&whole.replace('…', &block.code)))),
        Completion::Clouds => {
            // A resource of another provider can't be made without it.
            let code = block
                .code
                .replace("azurerm_kubernetes_cluster.ap.kube_config", "module.aks.kube_config")
                .replace("\"../modules", "\"./modules");
            let modules = ["eks", "gke", "aks"].map(|name| format!("module \"{name}\" {{\n  source = \"./cloud\"\n}}\n")).concat();
            invalid(&workspace(cli, &format!("{REQUIREMENT}{modules}{code}")))
        }
        Completion::CliConfiguration(only) if only.is_none_or(|only| only == cli.name) => {
            let workspace = Workspace::new(cli, "");
            workspace.write("cli.tfrc", &block.code);
            let output = workspace.run(&["version"]);
            // Neither CLI stops at what it doesn't understand there.
            let printed = text(&output);
            (!output.status.success() || printed.contains("Error:") || printed.contains("Warning:") || printed.contains("problems"))
                .then_some(printed)
        }
        Completion::CliConfiguration(_) => None,
        Completion::Variables(example) => {
            let workspace = Workspace::of_example(cli, example);
            workspace.write("kubeconfig", &kubeconfig(&["prod-us", "prod-eu"]));
            let path = workspace.path("kubeconfig").display().to_string();
            workspace.write("terraform.tfvars", &block.code.replace("~/.kube/config", &path));
            let helm = lab().binaries().helm;
            let plan =
                workspace.command(&["plan", "-no-color"]).env("PATH", helm.parent().expect("a folder")).output().expect("the CLI starts");
            (!plan.status.success()).then(|| text(&plan))
        }
        Completion::Form(reason) => malformed(cli, &block.code).or_else(|| {
            // What can be validated must not stand among what can't.
            let valid = invalid(&workspace(cli, &beside_a_mesh(&block.code))).is_none();
            valid.then(|| format!("it is valid: {reason:?} isn't so"))
        }),
    }
}

/// The code beside those blocks of `mesh.tf` that it doesn't have itself.
fn beside_a_mesh(code: &str) -> String {
    let has = |block: &str| {
        let header = block.lines().find(|line| line.ends_with(" {")).expect("a block");
        code.lines().any(|line| line == header) && !(header.starts_with("provider") && code.contains("  alias"))
    };
    let (_, mesh) = MESH.split_once("\n\n").expect("a comment");
    let others: Vec<_> = mesh.split("\n\n").filter(|block| !has(block)).collect();
    format!("{REQUIREMENT}{}\n\n{code}", others.join("\n\n"))
}

/// A workspace with the files that the documents name.
fn workspace(cli: &Cli, configuration: &str) -> Workspace {
    let workspace = Workspace::new(cli, configuration);
    for folder in ["eu", "cloud", "modules"] {
        fs::create_dir(workspace.path(folder)).expect("a folder");
    }
    for file in ["root.pem", "eu.pem", "issuing-ca.pem", "eu/ca-cert.pem", "eu/issuing-ca.pem"] {
        workspace.write(file, "");
    }
    workspace.write("eu-ca.pem", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n");
    workspace.write("cloud/main.tf", CLOUD);
    for manifest in ["eastwest-gateway.yaml", "serviceentry.yaml"] {
        workspace.write(manifest, &example_file(&format!("article/{manifest}")));
    }
    workspace
}

/// What `validate` says of a configuration that isn't valid.
fn invalid(workspace: &Workspace) -> Option<String> {
    if workspace.read("main.tf").contains("\"./modules/") {
        for module in fs::read_dir(source("examples/modules")).expect("the modules") {
            let name = module.expect("an entry").file_name();
            workspace.add_module(&name.to_string_lossy());
            fs::rename(workspace.path(&name.to_string_lossy()), workspace.path("modules").join(&name)).expect("moved");
        }
        let got = workspace.run(&["get", "-no-color"]);
        if !got.status.success() {
            return Some(text(&got));
        }
    }
    let output = workspace.run(&["validate", "-no-color"]);
    (!output.status.success()).then(|| text(&output))
}

/// What `fmt` says of code that it can't read, or would write otherwise.
fn malformed(cli: &Cli, code: &str) -> Option<String> {
    let workspace = Workspace::new(cli, "");
    let mut command = workspace.command(&["fmt", "-check", "-no-color", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the CLI starts");
    child.stdin.take().expect("its input").write_all(code.as_bytes()).expect("written");
    let output: Output = child.wait_with_output().expect("it ends");
    (!output.status.success()).then(|| text(&output))
}
