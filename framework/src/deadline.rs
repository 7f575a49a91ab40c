//! Until when an operation may go on: every call that leaves the process is bound by one of these.

use std::{future::Future, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The moment an operation must be over, and the signal that the user wants it over now.
#[derive(Clone, Debug)]
pub struct Deadline {
    at: Instant,
    given: Duration,
    cancel: CancellationToken,
}

/// Why an operation was cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The time given to it (the `timeouts` attribute) is over.
    TimedOut(Duration),
    /// The user interrupted the run.
    Interrupted,
}

impl Deadline {
    /// `given` from now, or when `cancel` is triggered.
    pub fn after(given: Duration, cancel: CancellationToken) -> Self {
        Self { at: Instant::now() + given, given, cancel }
    }

    /// Returns the deadline of a part of the operation: after `given`, but not later than this one.
    #[must_use]
    pub fn part(&self, given: Duration) -> Self {
        let given = given.min(self.remaining());
        Self::after(given, self.cancel.clone())
    }

    /// What is left of the time.
    pub fn remaining(&self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// The result of the future, unless the time is over or the user interrupts first; the future is dropped then.
    pub async fn bound<T>(&self, work: impl Future<Output = T>) -> Result<T, Cut> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Cut::Interrupted),
            () = tokio::time::sleep_until(self.at) => Err(Cut::TimedOut(self.given)),
            result = work => Ok(result),
        }
    }

    /// Waits for `pause`, for a turn of a loop that looks again and again. The only sleep of the provider.
    #[allow(clippy::disallowed_methods)]
    pub async fn pause(&self, pause: Duration) -> Result<(), Cut> {
        self.bound(tokio::time::sleep(pause)).await
    }
}
