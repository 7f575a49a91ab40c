//! The program of a provider: ours, or a peer's.

use std::path::PathBuf;

pub(crate) struct Program {
    pub(crate) path: PathBuf,
    /// As in `terraform-provider-NAME`.
    pub(crate) name: String,
}

impl Program {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        let path = std::path::absolute(path.into()).expect("a path");
        let file = path.file_name().expect("a file").to_string_lossy();
        let name = file.strip_prefix("terraform-provider-").expect("a provider's program").to_owned();
        Self { path, name }
    }

    /// In MiB.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn size(&self) -> f64 {
        std::fs::metadata(&self.path).expect("the program").len() as f64 / f64::from(1 << 20)
    }
}

/// What a process holds in memory, in MiB: its resident set.
pub(crate) fn resident(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its resident set");
    line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") / 1024.0
}
