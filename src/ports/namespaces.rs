//! What is in a namespace.

use async_trait::async_trait;
use framework::Deadline;
use serde_json::Value as Json;

use super::Failure;
use crate::data::Kind;

/// Looks into namespaces. `cluster` is a key of the provider's `clusters`.
#[async_trait]
pub trait Namespaces: Send + Sync {
    /// Returns objects of a namespace that are of other kinds than those that are named, custom resources among them, and that count: `apiVersion`,
    /// `kind` and `metadata`, a few of each kind. What the credentials may not list is left out, and so is what the cluster keeps for itself, such as
    /// events. If it can't be told for another reason what there is, as with an API of another server that is ill, the failure is of the kind `Denied`,
    /// too.
    async fn others(
        &self,
        cluster: &str,
        namespace: &str,
        named: &[Kind],
        counts: &(dyn for<'c> Fn(&'c Json) -> bool + Sync),
        deadline: &Deadline,
    ) -> Result<Vec<Json>, Failure>;
}
