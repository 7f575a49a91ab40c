//! The runs of the provider, which may be at work on one object at the same time.

use std::any::Any;

use async_trait::async_trait;

/// Tells runs of the provider that are at work from those that were killed.
#[async_trait]
pub trait Runs: Send + Sync {
    /// Begins a run. Removes what killed runs have left on this machine.
    async fn begin(&self) -> Run;

    /// Returns whether a run is at work; `None` if it was begun on another machine, which can't be asked.
    fn is_alive(&self, id: &str) -> Option<bool>;
}

/// A run. It ends when this is dropped, or when the process ends in whatever way.
pub struct Run {
    /// Distinguishes it from all others, as a label's value; empty if no other process can find out whether it is alive.
    pub id: String,
    _held: Box<dyn Any + Send + Sync>,
}

impl Run {
    /// A run that lasts as long as `held`.
    pub fn new(id: String, held: impl Any + Send + Sync) -> Self {
        Self { id, _held: Box::new(held) }
    }
}
