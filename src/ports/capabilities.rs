//! What API servers say of themselves and of the credentials that they are asked with.

use async_trait::async_trait;
use framework::Deadline;

use super::Failure;
use crate::data::{Permission, Rules};

/// Asks API servers; nothing of it is stored. `cluster` is a key of the provider's `clusters`.
#[async_trait]
pub trait Capabilities: Send + Sync {
    /// Returns the version of Kubernetes, `v1.34.4`.
    async fn version(&self, cluster: &str, deadline: &Deadline) -> Result<String, Failure>;

    /// Returns the name of the user that the credentials are those of; `None` if the API server is too old to say it.
    async fn user(&self, cluster: &str, deadline: &Deadline) -> Result<Option<String>, Failure>;

    /// Returns the rules that hold for the credentials in a namespace, which need not exist, and with them those that hold in all.
    async fn rules(&self, cluster: &str, namespace: &str, deadline: &Deadline) -> Result<Rules, Failure>;

    /// Whether the credentials allow something.
    async fn allows(&self, cluster: &str, permission: &Permission, deadline: &Deadline) -> Result<bool, Failure>;
}
