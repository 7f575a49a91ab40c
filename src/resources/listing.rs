//! Finding what exists in the clusters, for the resources' listings.

use std::{collections::BTreeSet, future::Future};

use serde_json::Value as Json;

use super::{World, all_failed, reachable};
use crate::{
    mesh::ClusterKey,
    model,
    ports::Failure,
    terraform::{AttributePath, Cx, Error, Parse, Value, optional},
};

model! {
    /// Where to look.
    pub struct ListModel {
        /// Keys of the clusters to look in; all of the provider's `clusters` if left out.
        clusters: BTreeSet<Value<String>> => optional(),
    }
}

/// Checks the keys of the clusters.
pub(super) fn check(filter: &ListModel, parse: &mut Parse<'_>) {
    parse.each("clusters", &filter.clusters, |key| ClusterKey::parse(key));
}

/// Looks in all clusters at once, and puts the import names to `found`. What one tells stands when another can't be asked.
pub(super) async fn find<F>(
    filter: &ListModel,
    found: &mut Vec<String>,
    cx: &Cx<'_, World>,
    look: impl Fn(ClusterKey) -> F,
) -> Result<(), Error>
where
    F: Future<Output = Result<Vec<String>, Failure>>,
{
    let looks = clusters(filter, cx)?.into_iter().map(look);
    let mut failures = Vec::new();
    for looked in futures::future::join_all(looks).await {
        match looked {
            Ok(names) => found.extend(names),
            Err(failure) => failures.push(failure),
        }
    }
    all_failed(failures)
}

fn clusters(filter: &ListModel, cx: &Cx<'_, World>) -> Result<Vec<ClusterKey>, Error> {
    let wanted = match &filter.clusters {
        Value::Value(keys) => Some(keys.iter().filter_map(|key| ClusterKey::parse(key.as_ref_option()?).ok()).collect()),
        _ => cx.world.clusters.keys(),
    };
    let Some(clusters): Option<Vec<_>> = wanted else { return Err(cx.unseen("The map `clusters`")) };
    for cluster in &clusters {
        reachable(cluster, cx).map_err(|error| error.at(AttributePath::new("clusters")))?;
    }
    Ok(clusters)
}

/// `NAMESPACE/NAME` of an object.
pub(super) fn name_of(object: &Json) -> String {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
    format!("{}/{}", text("namespace"), text("name"))
}
