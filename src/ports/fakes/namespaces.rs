//! What is in a namespace of the fakes.

use async_trait::async_trait;
use framework::Deadline;
use serde_json::{Value as Json, json};

use super::FakeObjects;
use crate::{
    data::Kind,
    ports::{Failure, Namespaces},
};

#[async_trait]
impl Namespaces for FakeObjects {
    async fn others(
        &self,
        cluster: &str,
        namespace: &str,
        named: &[Kind],
        counts: &(dyn for<'c> Fn(&'c Json) -> bool + Sync),
        _: &Deadline,
    ) -> Result<Vec<Json>, Failure> {
        self.check_cluster(cluster)?;
        let is_other = |object: &Json| {
            object["metadata"]["namespace"] == namespace
                && Kind::of(object).is_none_or(|kind| !named.contains(&kind) && kind != Kind::EVENT)
        };
        let metadata = |object: Json| json!({"apiVersion": object["apiVersion"], "kind": object["kind"], "metadata": object["metadata"]});
        Ok(self.all(cluster).into_iter().filter(is_other).map(metadata).filter(|object| counts(object)).collect())
    }
}
