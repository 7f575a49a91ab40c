//! `lab down`: nothing stays, whatever state the lab is in. It relies on no record of what was started.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};
use nix::mount::{MntFlags, umount2};

use crate::{
    cgroup::Cgroups,
    containerd,
    layout::{CGROUP, Layout, RUN_FOLDER},
    lock::Lock,
    machine, netns, process,
    progress::say,
};

/// Takes the lab down. An error names everything that is left.
pub fn down(layout: &Layout) -> Result<()> {
    if !nix::unistd::Uid::effective().is_root() {
        bail!("root is needed to take the lab down");
    }
    let _lock = Lock::take()?;
    let layout = &actual(layout);
    let cgroups = Cgroups::detect()?;
    let mut left = Vec::new();

    // All at once: a process that outlives the others for a moment then finds nothing to restart or to clean up for.
    let count = process::of_lab(&cgroups).len();
    say(&format!("ending {count} processes"));
    for id in process::end_all(&cgroups) {
        left.push(format!("process {id}: {}", process::name(id)));
    }
    say("removing mounts, namespaces, cgroups, state");
    unmount(layout);
    containerd::remove_dead_sockets();
    left.extend(netns::remove().into_iter().map(|path| format!("namespace {}", path.display())));
    left.extend(cgroups.remove(CGROUP).into_iter().map(|path| format!("cgroup {}", path.display())));
    left.extend(machine::restore_tunables(layout).into_iter().map(|path| format!("kernel setting {}", path.display())));
    left.extend(mounts(layout).into_iter().map(|path| format!("mount {}", path.display())));
    for folder in [layout.state.as_path(), Path::new(RUN_FOLDER)] {
        if let Err(error) = remove_folder(folder) {
            left.push(format!("folder {}: {error}", folder.display()));
        }
    }
    if left.is_empty() {
        say("the lab is down; builds are kept");
        return Ok(());
    }
    bail!("this is left:\n  - {}", left.join("\n  - "))
}

/// The lab that is up may live in another folder than the one named: that one is meant too, there is only one.
fn actual(layout: &Layout) -> Layout {
    let owner = fs::read_to_string(Path::new(RUN_FOLDER).join("state")).map(PathBuf::from);
    Layout { state: owner.unwrap_or_else(|_| layout.state.clone()), ..layout.clone() }
}

/// Mounts inside the lab's folders, innermost first. The folders themselves may be mounts, made by others.
fn mounts(layout: &Layout) -> Vec<PathBuf> {
    let ours = [layout.state.as_path(), &layout.cache, Path::new(RUN_FOLDER)];
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = table.lines().filter_map(|line| line.split(' ').nth(4)).map(unescape).map(PathBuf::from);
    let mut found: Vec<_> = points.filter(|point| ours.iter().any(|folder| point.starts_with(folder) && point != folder)).collect();
    found.reverse();
    found
}

fn unmount(layout: &Layout) {
    for point in mounts(layout) {
        let _ = umount2(&point, MntFlags::MNT_DETACH);
    }
}

/// The mount table writes blanks in paths as octal numbers.
fn unescape(path: &str) -> String {
    path.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

fn remove_folder(folder: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        // The folder is a mount that others made; it is empty now.
        Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => match fs::read_dir(folder)?.next() {
            None => Ok(()),
            Some(_) => Err(error),
        },
        outcome => outcome,
    }
}
