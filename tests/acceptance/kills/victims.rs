//! Who is killed: processes that descend from the CLI, found in the process table.

use std::{fs, path::Path, process::Command, time::Duration};

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Victims {
    Provider,
    Helm,
    Cli,
    All,
}

/// What a kill was about.
pub(crate) struct Killed {
    /// All processes that descended from the CLI; those that were spared have to end by themselves.
    pub(crate) descendants: Vec<u32>,
}

struct Process {
    id: u32,
    parent: u32,
    program: String,
}

impl Victims {
    /// Whether there is someone of these to kill.
    pub(crate) fn are_there(self, cli: u32) -> bool {
        self == Self::Cli || !self.among(&descendants(cli)).is_empty()
    }

    fn among(self, descendants: &[Process]) -> Vec<u32> {
        let is_victim = |process: &&Process| match self {
            Self::Provider => process.program == "terraform-provider-mesh",
            Self::Helm => process.program.starts_with("helm"),
            Self::Cli => false,
            Self::All => true,
        };
        descendants.iter().filter(is_victim).map(|process| process.id).collect()
    }

    /// Kills them.
    pub(crate) fn kill(self, cli: u32) -> Killed {
        let descendants = descendants(cli);
        let mut victims = self.among(&descendants);
        if matches!(self, Self::Cli | Self::All) {
            victims.push(cli);
        }
        let victims: Vec<_> = victims.iter().map(ToString::to_string).collect();
        // One that has just ended by itself is an error of `kill`, and of nothing else.
        let _ = Command::new("kill").arg("-9").args(&victims).output().expect("kill");
        Killed { descendants: descendants.into_iter().map(|process| process.id).collect() }
    }
}

/// Waits until none of these processes is left.
pub(crate) fn wait_for_the_end_of(processes: &[u32]) {
    for _ in 0..600 {
        if !processes.iter().any(|id| is_alive(*id)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("processes outlive the CLI by a minute: {processes:?}");
}

/// A zombie is nobody's any more.
fn is_alive(id: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

fn descendants(of: u32) -> Vec<Process> {
    let mut all: Vec<_> = fs::read_dir("/proc").expect("/proc").flatten().filter_map(|entry| process(&entry.path())).collect();
    let mut found = Vec::new();
    let mut parents = vec![of];
    while let Some(parent) = parents.pop() {
        let (children, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|process| process.parent == parent);
        parents.extend(children.iter().map(|child| child.id));
        found.extend(children);
        all = others;
    }
    found
}

fn process(folder: &Path) -> Option<Process> {
    let id = folder.file_name()?.to_str()?.parse().ok()?;
    let stat = fs::read_to_string(folder.join("stat")).ok()?;
    let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
    let program = fs::read_link(folder.join("exe")).ok()?;
    Some(Process { id, parent, program: program.file_name()?.to_string_lossy().into_owned() })
}
