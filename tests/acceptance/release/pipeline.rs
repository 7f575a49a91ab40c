//! The pipeline of `examples/ci` installs the release: a plan that the policies accept is applied as it is, and a manual change is found at night.

use std::process::Output;

use super::dist;
use crate::{
    fixture::{bare_clusters, example_of_one_cluster, source},
    workspace::{Cli, Workspace, clis, text},
};

#[test]
#[ignore = "needs `make dist-all` and the lab; a minute"]
fn a_pipeline_applies_what_was_approved_and_finds_manual_changes() {
    let lab = bare_clusters();
    let clis = clis(&lab);
    // A cluster for each CLI, at the same time.
    std::thread::scope(|scope| {
        for (cli, cluster) in clis.iter().zip(["us", "eu"]) {
            let lab = &lab;
            scope.spawn(move || {
                let workspace = example_of_one_cluster(lab, cli, cluster, None);
                let mirror = dist::folder().join("mirror");
                workspace.write(
                    "cli.tfrc",
                    &format!("provider_installation {{\n  filesystem_mirror {{ path = \"{}\" }}\n}}\n", mirror.display()),
                );
                let step = |script: &str, code: i32| step(&workspace, cli, script, code);

                workspace.edit("\"STRICT\"", "\"PERMISSIVE\"");
                let refused = step("plan.sh", 1);
                assert!(refused.contains("mtls_mode must be STRICT"), "{refused}");
                workspace.edit("\"PERMISSIVE\"", "\"STRICT\"");
                step("plan.sh", 2);
                step("apply.sh", 0);
                let stale = step("apply.sh", 1);
                assert!(stale.contains("stale"), "{stale}");

                step("drift.sh", 0);
                let live = lab.cluster(cluster).expect("a cluster");
                live.kubectl(&["label", "namespace", "istio-system", "topology.istio.io/network-"]).expect("a manual change");
                let drift = step("drift.sh", 2);
                assert!(drift.contains("topology.istio.io/network"), "{drift}");
                let reverting = step("plan.sh", 2);
                assert!(reverting.contains("reverts a manual change"), "{reverting}");
                step("apply.sh", 0);
                workspace.destroy();
            });
        }
    });
}

/// Runs a step of the pipeline as the examples do, and returns what it printed.
fn step(workspace: &Workspace, cli: &Cli, script: &str, code: i32) -> String {
    let tools = format!("{}:{}", source("target/tools/bin").display(), std::env::var("PATH").expect("a path"));
    let mut command = workspace.command_of(&source("examples/ci").join(script));
    command.env("TF", &cli.program).env("PATH", tools).env("POLICIES", source("examples/ci/policies"));
    let output: Output = command.output().expect("the step runs");
    assert_eq!(output.status.code(), Some(code), "{} {script}:\n{}", cli.name, text(&output));
    text(&output)
}
