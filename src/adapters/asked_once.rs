//! An answer that many operations need at the same moment, and that one of them obtains.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

use framework::{Cut, Deadline};

use crate::ports::{Failure, FailureKind};

/// A value that is asked for until it is known. Those who come while it is asked for wait, and take the failure too: that a cluster doesn't answer,
/// thirty resources learn in the time of one.
pub(super) struct AskedOnce<T> {
    known: OnceLock<T>,
    failures: AtomicU64,
    /// The last failure. Locked while the value is asked for.
    last: tokio::sync::Mutex<Option<Failure>>,
}

impl<T: Clone> AskedOnce<T> {
    pub(super) fn new() -> Self {
        Self { known: OnceLock::new(), failures: AtomicU64::new(0), last: tokio::sync::Mutex::new(None) }
    }

    /// Returns the value. `waiting` makes the failure of an operation whose time is over while another one asks.
    pub(super) async fn get(
        &self,
        deadline: &Deadline,
        waiting: impl FnOnce(Cut) -> Failure,
        ask: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let failures = self.failures.load(Ordering::Acquire);
        if let Some(known) = self.known.get() {
            return Ok(known.clone());
        }
        let mut last = deadline.bound(self.last.lock()).await.map_err(waiting)?;
        if let Some(known) = self.known.get() {
            return Ok(known.clone());
        }
        if let Some(failure) = &*last
            && self.failures.load(Ordering::Acquire) > failures
        {
            return Err(failure.clone());
        }
        let failure = match ask.await {
            Ok(value) => return Ok(self.known.get_or_init(|| value).clone()),
            Err(failure) => failure,
        };
        // The time of one operation says nothing about the cluster.
        if !matches!(failure.kind, FailureKind::TimedOut | FailureKind::Interrupted) {
            *last = Some(failure.clone());
            self.failures.fetch_add(1, Ordering::Release);
        }
        Err(failure)
    }
}
