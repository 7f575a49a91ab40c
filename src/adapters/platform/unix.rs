//! Modes of files, and process groups.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    hash::Hasher,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process, test_kill_process_group};
use tokio::process::{Child, Command};

/// Makes a temporary folder one that only the user can list.
pub(in crate::adapters) fn only_owner<'a, 'b, 'c>(builder: &'c mut tempfile::Builder<'a, 'b>) -> &'c mut tempfile::Builder<'a, 'b> {
    builder.permissions(fs::Permissions::from_mode(0o700))
}

/// Returns how a folder is made that only the user can list.
pub(in crate::adapters) fn new_folder() -> DirBuilder {
    let mut folder = DirBuilder::new();
    folder.mode(0o700);
    folder
}

/// Returns how a file is made that only the user can read.
pub(in crate::adapters) fn new_file() -> OpenOptions {
    let mut file = OpenOptions::new();
    file.write(true).create_new(true).mode(0o600);
    file
}

/// Hashes what tells a machine's folder for temporary files from that of another machine, or of another container with the same name.
pub(in crate::adapters) fn machine(temporary: &Path, hasher: &mut impl Hasher) -> Option<()> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let folder = fs::metadata(temporary).ok()?;
    std::hash::Hash::hash(&(boot.trim(), folder.dev(), folder.ino()), hasher);
    Some(())
}

/// Gives the program a process group of its own.
pub(in crate::adapters) fn in_own_group(command: &mut Command) {
    command.process_group(0);
}

/// A process with all that it has started, or a process alone.
pub(in crate::adapters) enum Tree {
    Group(Pid),
    Process(Pid),
}

impl Tree {
    /// Returns the tree of a program that was started [`in_own_group`]; `None` once it has ended.
    pub(in crate::adapters) fn of(child: &Child) -> Option<Self> {
        Pid::from_raw(i32::try_from(child.id()?).ok()?).map(Self::Group)
    }

    /// Asks it to end.
    pub(in crate::adapters) fn ask(&self) {
        self.signal(Signal::TERM);
    }

    /// Ends it at once.
    pub(in crate::adapters) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    pub(in crate::adapters) fn is_alive(&self) -> bool {
        match self {
            Self::Group(pid) => test_kill_process_group(*pid).is_ok(),
            Self::Process(pid) => test_kill_process(*pid).is_ok(),
        }
    }

    fn signal(&self, signal: Signal) {
        // What has ended by itself can't be signalled.
        let _ = match self {
            Self::Group(pid) => kill_process_group(*pid, signal),
            Self::Process(pid) => kill_process(*pid, signal),
        };
    }
}

/// Returns the processes with a path among their arguments. Where there is no `/proc` there are none.
pub(in crate::adapters) fn processes_with(folder: &Path) -> Vec<Tree> {
    let path = folder.to_string_lossy();
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbered = all.filter_map(|entry| Some((entry.path(), entry.file_name().to_str()?.parse::<i32>().ok()?)));
    let with = numbered.filter(|(process, _)| {
        fs::read(process.join("cmdline")).is_ok_and(|arguments| String::from_utf8_lossy(&arguments).contains(&*path))
    });
    with.filter_map(|(_, number)| Pid::from_raw(number).map(Tree::Process)).collect()
}
