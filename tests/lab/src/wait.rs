//! Waiting for something to become true: the only place that sleeps.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

const PAUSE: Duration = Duration::from_millis(100);

/// Asks again and again until there is an answer. A failing question is asked again too; its last error is in the message.
pub(crate) fn until<T>(what: &str, timeout: Duration, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let start = Instant::now();
    loop {
        let complaint = match ask() {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) => String::new(),
            Err(error) => format!(": {error:#}"),
        };
        if start.elapsed() > timeout {
            bail!("waited {} s for {what}{complaint}", timeout.as_secs());
        }
        std::thread::sleep(PAUSE);
    }
}

/// As [`until`], for a plain condition.
pub(crate) fn until_true(what: &str, timeout: Duration, mut ask: impl FnMut() -> Result<bool>) -> Result<()> {
    until(what, timeout, || Ok(ask()?.then_some(())))
}
