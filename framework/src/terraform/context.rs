//! What an operation has at hand, and what a read reports.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use super::report::Error;
use crate::deadline::Deadline;

/// The title of the error that a deferral replaces.
pub const KNOWN_AFTER_APPLY: &str = "Known after apply";

/// What a resource remembers of an object beside its attributes, in the private state: for example which cluster it was created in.
pub type Memory = BTreeMap<String, String>;

/// What an operation has at hand: the world it acts on, and how long it may take.
pub struct Cx<'a, W> {
    /// What the provider's configuration gives access to.
    pub world: &'a W,
    /// From the resource's `timeouts`, and the user's interrupt.
    pub deadline: Deadline,
    warnings: Mutex<Vec<Error>>,
    is_deferred: AtomicBool,
    is_refresh: bool,
    /// `None` for operations on nothing that has a state.
    memory: Option<Mutex<Memory>>,
}

impl<'a, W> Cx<'a, W> {
    /// A context without warnings.
    pub fn new(world: &'a W, deadline: Deadline) -> Self {
        Self { world, deadline, warnings: Mutex::default(), is_deferred: AtomicBool::new(false), is_refresh: false, memory: None }
    }

    /// A context of an object of which something is remembered.
    #[must_use]
    pub fn with_memory(self, memory: Memory) -> Self {
        Self { memory: Some(Mutex::new(memory)), ..self }
    }

    /// The context of a refresh.
    #[must_use]
    pub fn refreshing(self) -> Self {
        Self { is_refresh: true, ..self }
    }

    /// Whether the operation is the refresh of a state. Terraform refreshes the states of a plan one after the other, so it makes no difference
    /// to the plan whether what this one reads is a moment older.
    pub fn is_refresh(&self) -> bool {
        self.is_refresh
    }

    /// Returns what is remembered under a name. If that is nothing, `value` is remembered. `None` where nothing can be remembered.
    pub fn recall_or_remember(&self, name: &str, value: &str) -> Option<String> {
        let mut memory = self.memory.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        Some(memory.entry(name.to_owned()).or_insert_with(|| value.to_owned()).clone())
    }

    /// Returns what is remembered under a name.
    pub fn recall(&self, name: &str) -> Option<String> {
        self.memory.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Remembers a value under a name, in place of what was; with `None`, nothing.
    pub fn remember(&self, name: &str, value: Option<String>) {
        if let Some(memory) = &self.memory {
            let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
            match value {
                Some(value) => memory.insert(name.to_owned(), value),
                None => memory.remove(name),
            };
        }
    }

    /// Whether the operation is on an object of which something can be remembered.
    pub fn has_memory(&self) -> bool {
        self.memory.is_some()
    }

    /// Returns all that is remembered.
    pub(super) fn memory(&self) -> Memory {
        self.memory.as_ref().map(|memory| memory.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap_or_default()
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
    /// It can't be looked at, which is no error: the state stays as it is. A warning says why.
    Unseen,
    /// It can't be looked at yet, as the provider's configuration isn't known before apply: the state stays as it is.
    Deferred,
}
