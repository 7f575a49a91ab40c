//! Pods whose processes stand still, as if their machine had no time for them.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{lab::Cluster, pod::processes_of};

/// Processes that stand still until this is dropped.
#[derive(Debug)]
pub struct Paused {
    processes: Vec<Pid>,
}

impl Drop for Paused {
    fn drop(&mut self) {
        for process in &self.processes {
            // One that has ended needs nothing.
            kill(*process, Signal::SIGCONT).ok();
        }
    }
}

impl Cluster {
    /// Stops the processes of a pod: its connections stay, and nobody answers.
    pub fn pause(&self, namespace: &str, pod: &str) -> Result<Paused> {
        let uid = self.kubectl(&["get", "-n", namespace, pod, "-o", "jsonpath={.metadata.uid}"])?;
        let number = |process: PathBuf| process.file_name()?.to_str()?.parse().ok().map(Pid::from_raw);
        let processes: Vec<_> = processes_of(uid.trim())?.into_iter().filter_map(number).collect();
        ensure!(!processes.is_empty(), "no process of {pod} is found");
        let paused = Paused { processes };
        for process in &paused.processes {
            kill(*process, Signal::SIGSTOP)?;
        }
        Ok(paused)
    }
}
