//! What runs in pods: what it answers, and what it logs.

use async_trait::async_trait;
use framework::Deadline;

use super::Failure;
use crate::data::ObjectRef;

/// Talks to running pods by way of the API server. `cluster` is a key of the provider's `clusters`.
#[async_trait]
pub trait Pods: Send + Sync {
    /// Sends an HTTP GET to a port of a pod, which takes it for one from its own localhost, and returns the body of the answer.
    async fn ask(&self, cluster: &str, pod: &ObjectRef, port: u16, path: &str, deadline: &Deadline) -> Result<String, Failure>;

    /// Returns the last lines that a container of a pod has logged.
    async fn log(&self, cluster: &str, pod: &ObjectRef, container: &str, lines: u32, deadline: &Deadline) -> Result<String, Failure>;
}
