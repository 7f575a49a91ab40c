//! What differs between operating systems: files that only the user can read, and ending programs with all that they have started.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

pub(super) use system::{Tree, in_own_group, machine, new_file, new_folder, only_owner, processes_with};
