//! One `lab up`, `down` or `build` at a time.

use std::fs::{File, TryLockError};

use anyhow::{Context, Result};

use crate::progress::say;

const FILE: &str = "/run/lock/mesh-lab.lock";

/// Held as long as this lives; the kernel lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "it is the open file that holds the lock")] File);

impl Lock {
    /// Waits until the lock is free.
    pub(crate) fn take() -> Result<Self> {
        let file = File::options().create(true).append(true).open(FILE);
        let file = file.with_context(|| format!("cannot open {FILE}"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                say("waiting for another lab command to end");
                file.lock()?;
            }
            Err(TryLockError::Error(error)) => return Err(error).context("cannot lock"),
        }
        Ok(Self(file))
    }
}
