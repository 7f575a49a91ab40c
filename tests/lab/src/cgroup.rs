//! The lab's cgroups, version 1 or 2: every process of the lab is in one, so that it can be found whatever became of its parent.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// The cgroup hierarchies of this machine.
#[derive(Debug)]
pub(crate) struct Cgroups {
    version: Version,
    /// Where the controllers are: one hierarchy for each in version 1, one for all in version 2.
    controllers: Vec<PathBuf>,
    /// The hierarchy of version 2 beside those of version 1. The lab does not use it, but runc makes groups there.
    beside: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl Cgroups {
    /// Reads the mounts. With both versions mounted ("hybrid") the controllers are those of version 1.
    pub(crate) fn detect() -> Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts")?;
        let mut unified = None;
        let mut hierarchies = Vec::new();
        for line in mounts.lines() {
            let mut fields = line.split(' ').skip(1);
            let (Some(point), Some(kind)) = (fields.next(), fields.next()) else {
                continue;
            };
            match kind {
                "cgroup" => hierarchies.push(PathBuf::from(point)),
                "cgroup2" => unified = Some(PathBuf::from(point)),
                _ => {}
            }
        }
        match unified {
            beside if !hierarchies.is_empty() => Ok(Self { version: Version::One, controllers: hierarchies, beside }),
            Some(point) => Ok(Self { version: Version::Two, controllers: vec![point], beside: None }),
            None => anyhow::bail!("no cgroups are mounted under /sys/fs/cgroup"),
        }
    }

    fn everywhere(&self) -> impl Iterator<Item = &PathBuf> {
        self.controllers.iter().chain(&self.beside)
    }

    /// Makes a group in every hierarchy, ready for processes (a leaf) or for child groups.
    pub(crate) fn create(&self, group: &str) -> Result<()> {
        for root in &self.controllers {
            let mut folder = root.clone();
            for name in group.split('/') {
                if self.version == Version::Two {
                    delegate_controllers(&folder)?;
                }
                let parent = folder.clone();
                folder.push(name);
                if !folder.is_dir() {
                    fs::create_dir(&folder).with_context(|| format!("cannot make cgroup {}", folder.display()))?;
                    if self.version == Version::One {
                        inherit_cpuset(&parent, &folder)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The files to write a process id into so that it joins the group.
    pub(crate) fn entrances(&self, group: &str) -> Vec<PathBuf> {
        self.controllers.iter().map(|root| root.join(group).join("cgroup.procs")).collect()
    }

    /// All processes in the group and below.
    pub(crate) fn processes(&self, group: &str) -> BTreeSet<i32> {
        let mut found = BTreeSet::new();
        for root in self.everywhere() {
            for folder in tree(&root.join(group)) {
                let procs = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
                found.extend(procs.lines().filter_map(|line| line.parse::<i32>().ok()));
            }
        }
        found
    }

    /// Removes the group with all below, in every hierarchy; what could not be removed.
    pub(crate) fn remove(&self, group: &str) -> Vec<PathBuf> {
        let mut left = Vec::new();
        for root in self.everywhere() {
            for folder in tree(&root.join(group)).into_iter().rev() {
                if fs::remove_dir(&folder).is_err() && folder.exists() {
                    left.push(folder);
                }
            }
        }
        left
    }
}

/// The folder and all below, parents first.
fn tree(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    if folder.is_dir() {
        found.push(folder.to_owned());
    }
    let mut next = 0;
    while next < found.len() {
        if let Ok(entries) = fs::read_dir(&found[next]) {
            let folders = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            found.extend(folders.map(|entry| entry.path()));
        }
        next += 1;
    }
    found
}

/// Version 1: a new cpuset group takes no process until it has processors and memory nodes.
fn inherit_cpuset(parent: &Path, child: &Path) -> Result<()> {
    for name in ["cpuset.cpus", "cpuset.mems"] {
        let target = child.join(name);
        if target.exists() && fs::read_to_string(&target)?.trim().is_empty() {
            let value = fs::read_to_string(parent.join(name))?;
            fs::write(&target, value).with_context(|| format!("cannot set {}", target.display()))?;
        }
    }
    Ok(())
}

/// Version 2: children get only the controllers that the parent hands down.
fn delegate_controllers(folder: &Path) -> Result<()> {
    let control = folder.join("cgroup.subtree_control");
    let wanted = fs::read_to_string(folder.join("cgroup.controllers"))?;
    let given = fs::read_to_string(&control)?;
    let given: BTreeSet<_> = given.split_whitespace().collect();
    for controller in wanted.split_whitespace() {
        if !given.contains(controller) {
            // One at a time: a controller that cannot be delegated (in a container, for example) must not fail the rest.
            // The kubelet complains in plain words about one that it misses.
            let _ = fs::write(&control, format!("+{controller}"));
        }
    }
    Ok(())
}
