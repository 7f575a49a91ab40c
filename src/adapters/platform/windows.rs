//! The folder for temporary files is the user's own, and a program ends by being terminated.

use std::{
    fs::{DirBuilder, OpenOptions},
    hash::{Hash as _, Hasher},
    path::Path,
    process::Stdio,
};

use tokio::process::{Child, Command};

/// CREATE_NEW_PROCESS_GROUP: Ctrl-C in the console reaches the provider alone.
const NEW_GROUP: u32 = 0x0000_0200;

/// The user's folder for temporary files is closed to other users, and what is made in it inherits that.
pub(in crate::adapters) fn only_owner<'a, 'b, 'c>(builder: &'c mut tempfile::Builder<'a, 'b>) -> &'c mut tempfile::Builder<'a, 'b> {
    builder
}

/// Returns how a folder is made in one of [`only_owner`].
pub(in crate::adapters) fn new_folder() -> DirBuilder {
    DirBuilder::new()
}

/// Returns how a file is made in such a folder.
pub(in crate::adapters) fn new_file() -> OpenOptions {
    let mut file = OpenOptions::new();
    file.write(true).create_new(true);
    file
}

/// Hashes what tells a machine's folder for temporary files from that of another machine.
pub(in crate::adapters) fn machine(temporary: &Path, hasher: &mut impl Hasher) -> Option<()> {
    (std::env::var_os("COMPUTERNAME"), temporary.canonicalize().ok()?).hash(hasher);
    Some(())
}

/// Gives the program a process group of its own.
pub(in crate::adapters) fn in_own_group(command: &mut Command) {
    command.creation_flags(NEW_GROUP);
}

/// A process with all that it has started.
pub(in crate::adapters) struct Tree(u32);

impl Tree {
    /// Returns the tree of a program; `None` once it has ended.
    pub(in crate::adapters) fn of(child: &Child) -> Option<Self> {
        child.id().map(Self)
    }

    /// Does nothing: a program without a window or a console of ours can't be asked to end.
    pub(in crate::adapters) fn ask(&self) {}

    /// Ends it at once.
    pub(in crate::adapters) fn kill(&self) {
        let mut kill = std::process::Command::new("taskkill");
        kill.args(["/F", "/T", "/PID", &self.0.to_string()]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Err(error) = kill.status() {
            tracing::warn!(%error, process = self.0, "a program can't be ended");
        }
    }

    /// The tree has ended with the program: [`kill`](Self::kill) ends all of it.
    pub(in crate::adapters) fn is_alive(&self) -> bool {
        false
    }
}

/// Returns none: the arguments of other processes can't be read. What has the files open prevents that they are removed.
pub(in crate::adapters) fn processes_with(_: &Path) -> Vec<Tree> {
    Vec::new()
}
