//! The files of `target/dist`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value as Json;

use crate::{fixture::source, workspace::text};

/// The version in the archives' names.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Returns the folder that `make dist` has made.
pub(super) fn folder() -> PathBuf {
    let folder = source("target/dist");
    assert!(folder.is_dir(), "there is no {}: `make dist` makes it", folder.display());
    folder
}

/// Returns a file of the release by the end of its name.
pub(super) fn file(end: &str) -> PathBuf {
    folder().join(format!("terraform-provider-mesh_{VERSION}_{end}"))
}

/// Returns a JSON file of the release.
pub(super) fn json(end: &str) -> Json {
    serde_json::from_slice(&fs::read(file(end)).expect(end)).expect("JSON")
}

/// The platforms that `make dist` makes archives for.
pub(super) const PLATFORMS: [&str; 2] = ["linux_amd64", "linux_arm64"];

/// Unpacks the archive of a platform.
pub(super) fn unpack(platform: &str, into: &Path) {
    run(Command::new("unzip").arg("-q").arg(file(&format!("{platform}.zip"))).arg("-d").arg(into));
}

/// Runs what must succeed, and returns what it printed.
pub(super) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}:\n{}", text(&output));
    text(&output)
}
