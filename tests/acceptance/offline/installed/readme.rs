//! The commands of README.md, as they are printed. A reader's clusters and a release are put in place of what they take for granted.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{mirror::Mirror, state::kubeconfig};
use crate::{
    fixture::{lab, source},
    offline::documents::blocks::{Block, blocks_of},
    workspace::{Cli, clis, text},
};

/// The commands of README.md, and the values that it says to write.
pub(crate) struct FirstUse {
    /// How a release is built and found.
    pub(crate) build: String,
    /// The values of the variables.
    pub(crate) variables: String,
    /// The apply, and what follows it in the clusters.
    pub(crate) apply: String,
    /// The call.
    pub(crate) call: String,
}

impl FirstUse {
    pub(crate) fn read() -> Self {
        let only = |language: &str, words: &str| {
            let mut found = fences("README.md", language);
            found.retain(|block| block.code.contains(words));
            assert_eq!(found.len(), 1, "README.md has {} blocks with {words:?}", found.len());
            found.remove(0).code
        };
        Self {
            build: only("shell", "make dist"),
            variables: only("hcl", "prod-us"),
            apply: only("shell", "terraform apply\n"),
            call: only("shell", "curl -s http"),
        }
    }
}

fn fences(page: &str, language: &str) -> Vec<Block> {
    blocks_of(&source(page)).into_iter().filter(|block| block.language == language).collect()
}

/// A folder with what a checkout has, and the programs that a reader has.
pub(crate) struct Checkout {
    folder: tempfile::TempDir,
    /// Where `make dist` is said to have put the release: it takes minutes to build, and tests/acceptance/release has one.
    _mirror: Mirror,
}

impl Checkout {
    /// With `terraform`, and further programs, on the PATH.
    pub(crate) fn new(cli: &Cli, programs: &[&Path], kubeconfig: &str) -> Self {
        let (checkout, mirror) = (tempfile::tempdir().expect("a folder"), Mirror::new(cli));
        let path = |file: &str| checkout.path().join(file);
        for made in ["bin", "home/.kube", "examples/two-clusters"] {
            fs::create_dir_all(path(made)).expect("a folder");
        }
        fs::copy(source("examples/two-clusters/main.tf"), path("examples/two-clusters/main.tf")).expect("the example");
        fs::write(path("home/.kube/config"), kubeconfig).expect("written");
        symlink(&cli.program, path("bin/terraform")).expect("a link");
        for program in programs {
            symlink(program, path("bin").join(program.file_name().expect("a name"))).expect("a link");
        }
        let make =
            format!("#!/bin/sh\n[ \"$*\" = dist ] && mkdir -p target/dist && ln -s {} target/dist/mirror\n", mirror.path().display());
        fs::write(path("bin/make"), make).expect("written");
        fs::set_permissions(path("bin/make"), fs::Permissions::from_mode(0o755)).expect("a program");
        Self { folder: checkout, _mirror: mirror }
    }

    /// The path of a file of the example.
    pub(crate) fn example(&self, file: &str) -> PathBuf {
        self.folder.path().join("examples/two-clusters").join(file)
    }

    /// Runs commands as they would be typed in the checkout, with an answer to the CLI's question; whether they succeeded, and all that was printed.
    pub(crate) fn run(&self, script: &str, answer: &str) -> (bool, String) {
        let mut shell = Command::new("bash")
            .args(["-euo", "pipefail", "-c", script])
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path().join("home"))
            .env("PATH", format!("{}:/usr/bin:/bin", self.folder.path().join("bin").display()))
            .env("TF_CLI_ARGS", "-no-color")
            .env("CHECKPOINT_DISABLE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("bash");
        shell.stdin.take().expect("its input").write_all(format!("{answer}\n").as_bytes()).expect("an answer");
        let output = shell.wait_with_output().expect("it ends");
        (output.status.success(), text(&output))
    }
}

#[test]
fn the_first_use_runs_as_printed_up_to_the_question_whether_to_apply() {
    let (lab, readme) = (lab(), FirstUse::read());
    let (before, _) = readme.apply.split_once("terraform apply\n").expect("a line of its own");
    for cli in clis(&lab) {
        let checkout = Checkout::new(&cli, &[&lab.binaries().helm], &kubeconfig(&["prod-us", "prod-eu"]));
        fs::write(checkout.example("terraform.tfvars"), &readme.variables).expect("written");
        let (_, printed) = checkout.run(&format!("{}\n{before}terraform apply\n", readme.build), "no");
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
