//! The pipelines of `examples/ci` plan a pull request without access to the clusters: what their files say is run, with a state and no cluster that answers.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Output},
};

use serde_json::Value as Json;

use super::{mirror::Mirror, state::example_of_an_older_build};
use crate::{
    fixture::{example_file, lab, source},
    workspace::{Cli, Workspace, clis, text},
};

fn pipeline(file: &str) -> Json {
    serde_saphyr::from_str(&example_file(&format!("ci/{file}"))).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn list(json: &Json) -> &[Json] {
    json.as_array().map_or(&[], Vec::as_slice)
}

/// A step of a pipeline, run by a shell in a folder that has the scripts as `ci/`.
fn step(workspace: &Workspace, cli: &Cli, script: &str, variables: &[(&str, &str)]) -> Output {
    let mut command: Command = workspace.command_of("/bin/sh".as_ref());
    command.args(["-c", script]).env("TF", &cli.program).envs(variables.iter().copied());
    command.output().expect("a shell")
}

fn workspace(cli: &Cli, mirror: &Mirror) -> Workspace {
    let workspace = example_of_an_older_build(cli, &lab().binaries().helm);
    mirror.install(&workspace);
    fs::create_dir(workspace.path("ci")).expect("a folder");
    for script in ["plan.sh", "apply.sh", "drift.sh"] {
        workspace.write(&format!("ci/{script}"), &example_file(&format!("ci/{script}")));
        fs::set_permissions(workspace.path(&format!("ci/{script}")), fs::Permissions::from_mode(0o755)).expect("a program");
    }
    // Something to plan: who applies it gets a new gateway.
    let main = workspace.read("main.tf");
    workspace.write("main.tf", &format!("{main}\nresource \"mesh_eastwest_gateway\" \"second\" {{\n  cluster = \"eu\"\n  network = \"eu-net\"\n  name    = \"second\"\n}}\n"));
    workspace
}

/// GitHub's expression for a variable that is another one for a fork's pull request.
fn value_for_a_fork(expression: &str) -> &str {
    let inner = expression.strip_prefix("${{ github.event.pull_request.head.repo.fork && '").expect("an expression about forks");
    inner.split_once('\'').expect("a value").0
}

#[test]
fn a_pull_request_is_planned_without_access_to_the_clusters() {
    let (github, gitlab, atlantis) = (pipeline("github-actions.yml"), pipeline("gitlab-ci.yml"), pipeline("atlantis.yaml"));
    let run = list(&github["jobs"]["plan"]["steps"]).iter().find(|step| step["run"].is_string()).expect("a step");
    let of_forks = value_for_a_fork(run["env"]["REFRESH"].as_str().expect("REFRESH"));
    let rules = list(&gitlab["plan"]["rules"]);
    let of_requests =
        rules.iter().find(|rule| rule["if"].as_str().is_some_and(|when| when.contains("merge_request_event"))).expect("a rule");
    let of_requests = of_requests["variables"]["REFRESH"].as_str().expect("REFRESH");
    let steps = list(&atlantis["workflows"]["mesh"]["plan"]["steps"]);
    let arguments = steps.iter().find_map(|step| step["plan"]["extra_args"].as_array()).expect("arguments");
    let arguments: Vec<_> = arguments.iter().map(|argument| argument.as_str().expect("an argument")).collect();

    for cli in clis(&lab()) {
        let mirror = Mirror::new(&cli);
        let workspace = workspace(&cli, &mirror);
        let script = run["run"].as_str().expect("a script");
        // With the clusters, there would be nothing to do but to wait for them.
        let with_access = step(&workspace, &cli, script, &[]);
        assert!(!with_access.status.success() && text(&with_access).contains("127.0.0.1:1"), "{}: {}", cli.name, text(&with_access));

        let planned = |pipeline: &str, output: &Output, code: i32| {
            let printed = text(output);
            assert_eq!(output.status.code(), Some(code), "{} {pipeline}:\n{printed}", cli.name);
            assert!(printed.contains("Plan: 1 to add, ") && printed.contains(" 0 to destroy."), "{} {pipeline}:\n{printed}", cli.name);
        };
        planned("GitHub", &step(&workspace, &cli, script, &[("REFRESH", of_forks)]), 0);
        let script = list(&gitlab["plan"]["script"])[0].as_str().expect("a script");
        planned("GitLab", &step(&workspace, &cli, script, &[("REFRESH", of_requests)]), 2);
        let plan = [&["plan", "-input=false", "-no-color", "-out=atlantis.tfplan"][..], &arguments].concat();
        planned("Atlantis", &workspace.run(&plan), 0);
    }
}

#[test]
fn the_files_that_the_pipelines_name_exist() {
    for file in ["github-actions.yml", "gitlab-ci.yml", "atlantis.yaml"] {
        let text = pipeline(file).to_string();
        let is_of_a_path = |character: char| character.is_ascii_alphanumeric() || ['.', '-', '/'].contains(&character);
        let named: Vec<_> =
            text.split("ci/").skip(1).map(|rest| rest.split(|next| !is_of_a_path(next)).next().unwrap_or_default()).collect();
        assert!(!named.is_empty(), "{file} names no file");
        for name in named {
            let path = source("examples/ci").join(name);
            let found = fs::metadata(&path).unwrap_or_else(|error| panic!("{file} names {}: {error}", path.display()));
            assert!(
                path.extension().is_none_or(|ending| ending != "sh") || found.permissions().mode() & 0o111 == 0o111,
                "{name} can't be run"
            );
        }
    }
    for cli in clis(&lab()) {
        let workspace = Workspace::new(&cli, "").with("cli.tfrc", &example_file("ci/mesh.tfrc"));
        let printed = workspace.succeed(&["version"]);
        assert!(!printed.contains("problems") && !printed.contains("Error:") && !printed.contains("Warning:"), "{}: {printed}", cli.name);
    }
}
