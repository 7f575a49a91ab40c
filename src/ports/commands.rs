//! Commands in the containers of pods.

use async_trait::async_trait;
use framework::Deadline;

use super::Failure;
use crate::data::{Command, Printed};

/// Runs commands in containers, as `kubectl exec` does. `cluster` is a key of the provider's `clusters`.
#[async_trait]
pub trait Commands: Send + Sync {
    /// Runs a command once, and returns what it printed. That it fails, or that there is no such program, is a result.
    async fn run(&self, cluster: &str, command: &Command, deadline: &Deadline) -> Result<Printed, Failure>;
}
