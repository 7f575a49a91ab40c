//! Two runs on one state: the second one is refused, or waits, while the first one applies.

use std::{
    fs,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use super::{mirror::Mirror, server::Backend};
use crate::{
    fixture::{REQUIREMENT, lab, source},
    workspace::{Cli, Workspace, clis, text, unwrapped},
};

/// An apply that lasts until the test lets it end.
fn gate(folder: &str) -> String {
    let wait = format!("touch {folder}/begun; until [ -e {folder}/open ]; do sleep 0.1; done");
    format!(
        "resource \"terraform_data\" \"gate\" {{\n  input = provider::mesh::sni(80, \"echo.eu.mesh.local\")\n  provisioner \"local-exec\" {{\n    \
         command = \"{wait}\"\n  }}\n}}\n"
    )
}

/// One of the folders in which the same configuration is applied.
fn workspace(cli: &Cli, mirror: &Mirror, backend: &Backend, gate: &str) -> Workspace {
    let workspace = Workspace::new(cli, &format!("{REQUIREMENT}{}{gate}", backend.block()));
    mirror.install(&workspace);
    workspace.succeed(&["init", "-no-color"]);
    workspace
}

#[test]
fn a_second_apply_is_refused_or_waits_while_the_first_one_runs() {
    let lab = lab();
    for cli in clis(&lab) {
        let (backend, mirror, shared) = (Backend::start(), Mirror::new(&cli), tempfile::tempdir().expect("a folder"));
        let gate = gate(&shared.path().display().to_string());
        let one = workspace(&cli, &mirror, &backend, &gate);
        let other = workspace(&cli, &mirror, &backend, &gate);
        let first = one.start(&["apply", "-auto-approve", "-no-color"]);
        let deadline = Instant::now() + Duration::from_secs(120);
        while !shared.path().join("begun").exists() {
            assert!(Instant::now() < deadline, "{}: the first apply doesn't begin", cli.name);
            thread::sleep(Duration::from_millis(100));
        }
        assert!(backend.is_locked(), "{}: an apply runs without the lock", cli.name);

        let refused = unwrapped(&other.fail(&["apply", "-auto-approve", "-no-color"]));
        assert!(refused.contains("Error acquiring the state lock"), "{}: {refused}", cli.name);
        assert!(refused.contains("Operation: OperationTypeApply") && refused.contains("Who: "), "{}: {refused}", cli.name);

        // The pipeline's plan waits. Its search for manual changes needs no lock; what isn't applied yet is one, too.
        let script = |name: &str| {
            let mut command = other.command_of(&source("examples/ci").join(name));
            command.env("TF", &cli.program).stdout(Stdio::piped()).stderr(Stdio::piped());
            command
        };
        let mut waiting = script("plan.sh").spawn().expect("it starts");
        let drift = script("drift.sh").output().expect("it runs");
        assert_eq!(drift.status.code(), Some(2), "{} drift.sh waits for the lock, or fails:\n{}", cli.name, text(&drift));
        assert!(waiting.try_wait().expect("a status").is_none(), "{}: plan.sh doesn't wait for the lock", cli.name);
        assert!(backend.is_locked(), "{}: somebody has taken the lock away", cli.name);

        fs::write(shared.path().join("open"), "").expect("written");
        let first = first.wait_with_output().expect("the first apply ends");
        assert!(first.status.success(), "{}: {}", cli.name, text(&first));
        // It plans with the state that the first one has stored: nothing is left to do.
        let planned = waiting.wait_with_output().expect("plan.sh ends");
        assert_eq!(planned.status.code(), Some(0), "{} plan.sh:\n{}", cli.name, text(&planned));
        assert!(!backend.is_locked(), "{}: the lock is left behind", cli.name);
    }
}
