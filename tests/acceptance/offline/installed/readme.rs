//! The commands of README.md, as they are printed. A reader's clusters and a release are put in place of what they take for granted.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    process::{Command, Stdio},
};

use super::{mirror::Mirror, state::kubeconfig};
use crate::{
    fixture::{lab, source},
    offline::documents::blocks::{Block, blocks_of},
    workspace::{Cli, clis, text},
};

fn fences(page: &str, language: &str) -> Vec<Block> {
    blocks_of(&source(page)).into_iter().filter(|block| block.language == language).collect()
}

fn only<'a>(blocks: &'a [Block], words: &str) -> &'a str {
    let found: Vec<_> = blocks.iter().filter(|block| block.code.contains(words)).collect();
    assert_eq!(found.len(), 1, "README.md has {} blocks with {words:?}", found.len());
    &found[0].code
}

/// A folder with what a checkout has, and the programs that a reader has.
fn checkout(cli: &Cli, mirror: &Mirror, helm: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |file: &str| folder.path().join(file);
    for made in ["bin", "home/.kube", "examples/two-clusters"] {
        fs::create_dir_all(path(made)).expect("a folder");
    }
    fs::copy(source("examples/two-clusters/main.tf"), path("examples/two-clusters/main.tf")).expect("the example");
    fs::write(path("home/.kube/config"), kubeconfig(&["prod-us", "prod-eu"])).expect("written");
    symlink(&cli.program, path("bin/terraform")).expect("a link");
    symlink(helm, path("bin/helm")).expect("a link");
    // A release takes minutes to build; tests/acceptance/release has one.
    let make = format!("#!/bin/sh\n[ \"$*\" = dist ] && mkdir -p target/dist && ln -s {} target/dist/mirror\n", mirror.path().display());
    fs::write(path("bin/make"), make).expect("written");
    fs::set_permissions(path("bin/make"), fs::Permissions::from_mode(0o755)).expect("a program");
    folder
}

#[test]
fn the_first_use_runs_as_printed_up_to_the_question_whether_to_apply() {
    let (lab, shell, hcl) = (lab(), fences("README.md", "shell"), fences("README.md", "hcl"));
    let (before, _) = only(&shell, "terraform apply").split_once("terraform apply\n").expect("a line of its own");
    let script = format!("{}\n{before}terraform apply\n", only(&shell, "make dist"));
    for cli in clis(&lab) {
        let mirror = Mirror::new(&cli);
        let folder = checkout(&cli, &mirror, &lab.binaries().helm);
        fs::write(folder.path().join("examples/two-clusters/terraform.tfvars"), only(&hcl, "prod-us")).expect("written");
        let mut shell = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &script])
            .current_dir(folder.path())
            .env_clear()
            .env("HOME", folder.path().join("home"))
            .env("PATH", format!("{}:/usr/bin:/bin", folder.path().join("bin").display()))
            .env("TF_CLI_ARGS", "-no-color")
            .env("CHECKPOINT_DISABLE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("bash");
        shell.stdin.take().expect("its input").write_all(b"no\n").expect("an answer");
        let printed = text(&shell.wait_with_output().expect("it ends"));
        assert!(printed.contains("Plan: 8 to add, 0 to change, 0 to destroy."), "{}:\n{printed}", cli.name);
        assert!(printed.contains("Apply cancelled."), "{}:\n{printed}", cli.name);
    }
}

#[test]
fn make_knows_what_the_documents_tell_it_to_do() {
    let mut count = 0;
    for page in ["README.md", "CONTRIBUTING.md"] {
        let shell = fences(page, "shell");
        let lines = shell.iter().flat_map(|block| block.code.lines()).filter(|line| line.starts_with("make "));
        for line in lines {
            let words = line.split('#').next().expect("a command").split_whitespace().skip(1);
            let output = Command::new("make").arg("--dry-run").args(words).current_dir(source("")).output().expect("make");
            assert!(output.status.success(), "{page}: {line}\n{}", text(&output));
            count += 1;
        }
    }
    assert!(count >= 9, "only {count} commands");
}
