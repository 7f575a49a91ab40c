//! Terraform as it is measured.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value as Json;

use crate::figure::milliseconds;

/// The beginning of every configuration that has a provider.
pub(crate) const REQUIREMENT: &str = "terraform {\n  required_providers {\n    mesh = { source = \"bench/mesh\" }\n  }\n}\n";

/// A run of Terraform.
pub(crate) struct Run {
    pub(crate) milliseconds: f64,
    /// The most memory that the provider held, in MiB.
    pub(crate) memory: f64,
    status: ExitStatus,
}

/// What was done with a resource, from the start of Terraform.
pub(crate) struct Step {
    pub(crate) address: String,
    pub(crate) from: Duration,
    pub(crate) until: Duration,
}

/// A folder with a configuration and a state.
pub(crate) struct Workspace<'a> {
    folder: tempfile::TempDir,
    terraform: &'a Path,
}

impl<'a> Workspace<'a> {
    pub(crate) fn new(terraform: &'a Path, configuration: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let built = Path::new(crate::PROGRAM).parent().expect("a folder").display();
        let write = |file: &str, text: &str| fs::write(folder.path().join(file), text).expect("written");
        write("main.tf", configuration);
        write("cli.tfrc", &format!("provider_installation {{\n  dev_overrides {{ \"bench/mesh\" = \"{built}\" }}\n  direct {{}}\n}}\n"));
        Self { folder, terraform }
    }

    /// Changes the configuration.
    pub(crate) fn configure(&self, configuration: &str) {
        fs::write(self.folder.path().join("main.tf"), configuration).expect("written");
    }

    /// Runs Terraform, which must succeed.
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        let run = self.run_any(arguments, Stdio::inherit());
        assert!(run.status.success(), "terraform {arguments:?}: {}", run.status);
        run
    }

    /// Runs Terraform, which must fail; what it says isn't shown.
    pub(crate) fn fail(&self, arguments: &[&str]) -> Run {
        let run = self.run_any(arguments, Stdio::null());
        assert!(!run.status.success(), "terraform {arguments:?} succeeded");
        run
    }

    /// Applies, and returns what was done with each resource, in the order in which it ended.
    pub(crate) fn trace(&self) -> Vec<Step> {
        let mut command = self.command(&["apply", "-auto-approve", "-json"]);
        let begin = Instant::now();
        let mut child = command.stdout(Stdio::piped()).spawn().expect("terraform starts");
        let lines = BufReader::new(child.stdout.take().expect("output")).lines();
        let (mut begun, mut steps) = (HashMap::new(), Vec::new());
        for line in lines {
            let event: Json = serde_json::from_str(&line.expect("a line")).expect("an event");
            let address = event["hook"]["resource"]["addr"].as_str().unwrap_or_default().to_owned();
            let now = begin.elapsed();
            match event["type"].as_str() {
                Some("apply_start") => drop(begun.insert(address, now)),
                Some("apply_complete") => steps.push(Step { from: begun.remove(&address).expect("a begin"), until: now, address }),
                _ => {}
            }
        }
        assert!(child.wait().expect("an end").success(), "terraform apply failed");
        steps
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.terraform);
        command
            .args(arguments)
            .args(["-no-color"])
            .current_dir(self.folder.path())
            .env("TF_CLI_CONFIG_FILE", self.folder.path().join("cli.tfrc"))
            .env("CHECKPOINT_DISABLE", "1")
            .env_remove("KUBECONFIG")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }

    fn run_any(&self, arguments: &[&str], errors: Stdio) -> Run {
        let begin = Instant::now();
        let mut child = self.command(arguments).stderr(errors).spawn().expect("terraform starts");
        let mut memory: f64 = 0.0;
        let status = loop {
            match child.try_wait().expect("a child") {
                Some(status) => break status,
                None => memory = memory.max(provider_of(child.id()).and_then(peak).unwrap_or_default()),
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        Run { milliseconds: milliseconds(begin.elapsed()), memory, status }
    }
}

/// Returns the provider that a CLI has started.
fn provider_of(cli: u32) -> Option<u32> {
    let tasks = fs::read_dir(format!("/proc/{cli}/task")).ok()?.flatten();
    let children: Vec<_> = tasks.map(|task| fs::read_to_string(task.path().join("children")).unwrap_or_default()).collect();
    let children = children.join(" ");
    let is_ours = |id: &&str| fs::read_link(format!("/proc/{id}/exe")).is_ok_and(|program| program == Path::new(crate::PROGRAM));
    children.split_whitespace().find(is_ours)?.parse().ok()
}

/// The most that a process has held in memory, in MiB. `None` if it has ended.
fn peak(process: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<f64>().ok()? / 1024.0)
}
