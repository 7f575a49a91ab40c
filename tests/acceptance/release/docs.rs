//! The registry takes the documentation as it is.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use crate::{
    fixture::{REQUIREMENT, lab, source},
    workspace::{Workspace, clis, text},
};

#[test]
#[ignore = "needs `make dist-all`; seconds"]
fn the_registrys_rules_accept_the_documentation() {
    let cli = clis(&lab()).into_iter().next().expect("a CLI");
    let schema = Workspace::new(&cli, REQUIREMENT).run(&["providers", "schema", "-json"]);
    let mut check = Command::new(source("release/check-docs"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    check.stdin.take().expect("an input").write_all(&schema.stdout).expect("written");
    let output = check.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("running file mismatch check"), "{}", text(&output));
}
