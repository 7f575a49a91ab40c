//! What an operation has at hand, and what a read reports.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use super::report::Error;
use crate::deadline::Deadline;

/// The title of the error that a deferral replaces.
pub const KNOWN_AFTER_APPLY: &str = "Known after apply";

/// What an operation has at hand: the world it acts on, and how long it may take.
pub struct Cx<'a, W> {
    /// What the provider's configuration gives access to.
    pub world: &'a W,
    /// From the resource's `timeouts`, and the user's interrupt.
    pub deadline: Deadline,
    warnings: Mutex<Vec<Error>>,
    is_deferred: AtomicBool,
}

impl<'a, W> Cx<'a, W> {
    /// A context without warnings.
    pub fn new(world: &'a W, deadline: Deadline) -> Self {
        Self { world, deadline, warnings: Mutex::default(), is_deferred: AtomicBool::new(false) }
    }

    /// Tells the user something that is no failure.
    pub fn warn(&self, warning: Error) {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(warning);
    }

    /// The error of a call that can't be answered while `what` of the provider's configuration is unknown. A CLI that can put the whole off
    /// until it is known does so instead of showing the error.
    pub fn defer(&self, what: &str) -> Error {
        self.is_deferred.store(true, Ordering::Relaxed);
        Error::new(
            KNOWN_AFTER_APPLY,
            format!("{what} of the provider's configuration is known only after an apply. Apply what it comes from first, with `-target`."),
        )
    }

    pub(super) fn is_deferred(&self) -> bool {
        self.is_deferred.load(Ordering::Relaxed)
    }

    pub(super) fn into_warnings(self) -> Vec<Error> {
        self.warnings.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The result of reading a resource.
#[derive(Debug)]
pub enum Observed<S> {
    /// It is there, like this.
    Found(S),
    /// It is certainly gone: the state is dropped.
    Gone,
    /// It can't be looked at yet, as the provider's configuration isn't known before apply: the state stays as it is.
    Deferred,
}
