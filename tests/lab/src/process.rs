//! Processes as /proc shows them: whether they live, which belong to the lab, and ending them.

use std::{collections::BTreeSet, fs, os::unix::fs::MetadataExt, time::Duration};

use anyhow::Result;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde::{Deserialize, Serialize};

use crate::{cgroup::Cgroups, layout::CGROUP, netns, wait};

/// Every process that the lab starts, and all their children, have this in their environment.
pub(crate) const MARK: &str = "MESH_LAB_PROCESS";

/// One process. Its start time distinguishes it from a later one with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    pub(crate) id: i32,
    start: u64,
}

/// The condition of a process, as far as the lab cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    Running,
    Stopped,
    Dead,
}

impl Process {
    pub(crate) fn of(id: i32) -> Option<Self> {
        let (_, start) = stat(id)?;
        Some(Self { id, start })
    }

    pub(crate) fn condition(self) -> Condition {
        match stat(self.id) {
            Some((state, start)) if start == self.start => match state {
                // A zombie is dead; it waits for its parent only. While other threads live, its sockets are still open.
                'Z' | 'X' if threads(self.id) <= 1 => Condition::Dead,
                'T' => Condition::Stopped,
                _ => Condition::Running,
            },
            _ => Condition::Dead,
        }
    }

    pub(crate) fn started_before(self, other: Self) -> bool {
        self.start < other.start
    }

    /// Sends a signal, to this very process only.
    pub(crate) fn signal(self, signal: Signal) {
        if self.condition() != Condition::Dead {
            let _ = kill(Pid::from_raw(self.id), signal);
        }
    }

    /// Kills and waits for the end.
    pub(crate) fn end(self) -> Result<()> {
        self.signal(Signal::SIGKILL);
        wait::until_true("a killed process to end", Duration::from_secs(10), || Ok(self.condition() == Condition::Dead))
    }
}

/// State and start time, from /proc/ID/stat; the name in it may hold spaces and brackets.
fn stat(id: i32) -> Option<(char, u64)> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let state = fields.next()?.chars().next()?;
    let start = fields.nth(18)?.parse().ok()?;
    Some((state, start))
}

fn threads(id: i32) -> usize {
    fs::read_dir(format!("/proc/{id}/task")).map_or(0, Iterator::count)
}

fn parent(id: i32) -> Option<i32> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(") ")?;
    fields.split(' ').nth(1)?.parse().ok()
}

/// All processes that belong to the lab, however they came to be: by cgroup, by network namespace, by the mark in their environment.
/// The caller and its ancestors are left out: `lab run -- lab down` must not end itself.
pub(crate) fn of_lab(cgroups: &Cgroups) -> BTreeSet<i32> {
    let namespaces = netns::inodes();
    let mark = format!("{MARK}=");
    let mut found = cgroups.processes(CGROUP);
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    for id in ids {
        let inside = fs::metadata(format!("/proc/{id}/ns/net")).is_ok_and(|namespace| namespaces.contains(&namespace.ino()));
        let marked = || {
            fs::read(format!("/proc/{id}/environ"))
                .is_ok_and(|environment| environment.split(|byte| *byte == 0).any(|entry| entry.starts_with(mark.as_bytes())))
        };
        if inside || marked() {
            found.insert(id);
        }
    }
    let mut own = Some(std::process::id().cast_signed());
    while let Some(id) = own.filter(|id| *id > 1) {
        found.remove(&id);
        own = parent(id);
    }
    found.retain(|id| Process::of(*id).is_some_and(|process| process.condition() != Condition::Dead));
    found
}

/// Returns the name of a process, for messages.
pub(crate) fn name(id: i32) -> String {
    let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line).replace('\0', " ");
    line.chars().take(80).collect()
}

/// Kills all processes of the lab, also those that start meanwhile. Returns those that could not be killed.
pub(crate) fn end_all(cgroups: &Cgroups) -> BTreeSet<i32> {
    let mut left = of_lab(cgroups);
    let _ = wait::until_true("the lab's processes to end", Duration::from_secs(15), || {
        left = of_lab(cgroups);
        for id in &left {
            let _ = kill(Pid::from_raw(*id), Signal::SIGKILL);
        }
        Ok(left.is_empty())
    });
    left
}
