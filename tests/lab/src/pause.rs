//! Pods whose processes stand still, as if their machine had no time for them.

use std::fs;

use anyhow::{Result, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::Cluster;

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
        let is_of_pod = |pid: &i32| fs::read_to_string(format!("/proc/{pid}/cgroup")).is_ok_and(|groups| groups.contains(uid.trim()));
        let numbers = fs::read_dir("/proc")?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let processes: Vec<_> = numbers.filter(is_of_pod).map(Pid::from_raw).collect();
        ensure!(!processes.is_empty(), "no process of {pod} is found");
        let paused = Paused { processes };
        for process in &paused.processes {
            kill(*process, Signal::SIGSTOP)?;
        }
        Ok(paused)
    }
}
