//! Programs that run on when `lab up` is done: started once, found again, restarted when they died or when what they should be changed.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    cgroup::Cgroups,
    command::{find_program, write_file},
    layout::{CGROUP, Layout},
    process::{Condition, MARK, Process},
};

/// One daemon: what it should be.
#[derive(Debug, Clone)]
pub(crate) struct Daemon {
    /// The host it belongs to: `us`, `eu` or `wan`.
    pub(crate) host: &'static str,
    pub(crate) name: &'static str,
    pub(crate) namespace: &'static str,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    /// Files that it reads at its start only; when one changes, the daemon is restarted.
    pub(crate) configuration: Vec<PathBuf>,
}

/// The record of a started daemon.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    process: Process,
    fingerprint: String,
}

impl Daemon {
    pub(crate) fn label(&self) -> String {
        format!("{}/{}", self.host, self.name)
    }

    fn record_file(&self, layout: &Layout) -> PathBuf {
        layout.state.join("run").join(format!("{}-{}.json", self.host, self.name))
    }

    pub(crate) fn log_file(&self, layout: &Layout) -> PathBuf {
        layout.state.join("log").join(format!("{}-{}.log", self.host, self.name))
    }

    fn record(&self, layout: &Layout) -> Option<Record> {
        serde_json::from_slice(&fs::read(self.record_file(layout)).ok()?).ok()
    }

    pub(crate) fn condition(&self, layout: &Layout) -> Condition {
        self.record(layout).map_or(Condition::Dead, |record| record.process.condition())
    }

    /// Whether it was started before another one.
    pub(crate) fn is_older_than(&self, other: &Self, layout: &Layout) -> bool {
        let records = self.record(layout).zip(other.record(layout));
        records.is_some_and(|(record, other)| record.process.started_before(other.process))
    }

    /// Starts the daemon unless it runs as configured. Returns true if it was started.
    pub(crate) fn ensure(&self, layout: &Layout) -> Result<bool> {
        let fingerprint = self.fingerprint()?;
        if let Some(record) = self.record(layout) {
            let condition = record.process.condition();
            if condition == Condition::Stopped {
                record.process.signal(Signal::SIGCONT);
            }
            if condition != Condition::Dead && record.fingerprint == fingerprint {
                return Ok(false);
            }
            record.process.end()?;
        }
        let process = self.start(layout).with_context(|| format!("cannot start {}", self.label()))?;
        let record = serde_json::to_vec(&Record { process, fingerprint })?;
        write_file(&self.record_file(layout), record)?;
        Ok(true)
    }

    /// Ends it at once, if it runs.
    pub(crate) fn end(&self, layout: &Layout) -> Result<()> {
        self.record(layout).map_or(Ok(()), |record| record.process.end())
    }

    pub(crate) fn signal(&self, layout: &Layout, signal: Signal) {
        if let Some(record) = self.record(layout) {
            record.process.signal(signal);
        }
    }

    fn start(&self, layout: &Layout) -> Result<Process> {
        // The entry in the cgroups comes before the program's first instruction, so that no child can escape.
        // Descriptors that this process inherited (a lock of `flock`, make's job server) would live as long as the daemon.
        const ENTER: &str = r#"namespace=$1; shift
            for open in /proc/$$/fd/[3-9]; do eval "exec ${open##*/}>&-"; done 2>/dev/null
            while [ "$1" != -- ]; do echo $$ > "$1" || exit 1; shift; done; shift
            exec setsid nsenter --net="$namespace" -- "$@""#;
        let cgroups = Cgroups::detect()?;
        let group = format!("{CGROUP}/{}/{}", self.host, self.name);
        cgroups.create(&group)?;
        let log_file = self.log_file(layout);
        fs::create_dir_all(layout.state.join("log"))?;
        let log = fs::File::options().create(true).append(true).open(log_file)?;
        let child = Command::new("sh")
            .args(["-c", ENTER, "sh"])
            .arg(format!("/run/netns/{}", self.namespace))
            .args(cgroups.entrances(&group))
            .arg("--")
            .arg(&self.program)
            .args(&self.arguments)
            .env(MARK, self.label())
            .env("MESH_LAB_DIR", &layout.state)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        // The shell becomes the program: same process, same start time.
        Process::of(child.id().cast_signed()).context("it ended at once")
    }

    fn fingerprint(&self) -> Result<String> {
        let mut hash = Sha256::new();
        let program = if self.program.is_absolute() {
            self.program.clone()
        } else {
            find_program(&self.program.to_string_lossy()).with_context(|| format!("{} is not installed", self.program.display()))?
        };
        let program = fs::canonicalize(&program).with_context(|| format!("{} is missing", program.display()))?;
        let status = fs::metadata(&program)?;
        hash.update(format!("{} {} {:?}", program.display(), status.len(), status.modified()?));
        hash.update(format!("{:?}", self.arguments));
        for file in &self.configuration {
            hash.update(fs::read(file).with_context(|| format!("no {}", file.display()))?);
        }
        Ok(hex(&hash.finalize()))
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
