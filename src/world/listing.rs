//! Listings (`terraform query`): finding a resource's existing objects in the clusters.

use std::marker::PhantomData;

use async_trait::async_trait;
use futures::{StreamExt as _, stream::FuturesUnordered};
use serde_json::Value as Json;

use super::{World, clusters::chosen_clusters, reachable};
use crate::{mesh::ClusterKey, ports::Failure};
use framework::{AttributePath, Cx, Error, Listing, Parse, Resource, Results, Set, model, optional};

model! {
    /// Where to look.
    pub struct ListModel {
        /// Keys of the clusters to look in; all of the provider's `clusters` if left out.
        clusters: Set<String> => optional(),
    }
}

/// A resource whose objects a cluster can be asked for.
#[async_trait]
pub trait Discover: Resource<World = World> {
    /// The names by which an import finds a cluster's objects.
    async fn discover(cluster: &ClusterKey, cx: &Cx<'_, World>) -> Result<Vec<String>, Failure>;
}

/// The listing of a resource: each cluster is asked for its objects.
pub struct InClusters<R>(PhantomData<fn() -> R>);

#[async_trait]
impl<R: Discover> Listing for InClusters<R> {
    type Of = R;
    type Filter = ListModel;

    fn check(filter: &ListModel, parse: &mut Parse<'_>) {
        parse.each("clusters", &filter.clusters, |key| ClusterKey::parse(key));
    }

    /// Searches all clusters at once, and passes on what is found in one while another is still searched.
    async fn list(filter: &ListModel, results: &mut Results, cx: &Cx<'_, World>) -> Result<(), Error> {
        let clusters = chosen_clusters(&filter.clusters, cx)?;
        let mut searches: FuturesUnordered<_> = clusters.iter().map(|cluster| search::<R>(cluster, cx)).collect();
        while let Some(found) = searches.next().await {
            match found {
                Ok(names) => {
                    for name in names {
                        results.add(name).await;
                    }
                }
                Err(error) => results.failed(error).await,
            }
        }
        Ok(())
    }
}

async fn search<R: Discover>(cluster: &ClusterKey, cx: &Cx<'_, World>) -> Result<Vec<String>, Error> {
    reachable(cluster, cx).map_err(|error| error.at(AttributePath::new("clusters")))?;
    Ok(R::discover(cluster, cx).await?)
}

/// `NAMESPACE/NAME` of an object.
pub(crate) fn name_of(object: &Json) -> String {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
    format!("{}/{}", text("namespace"), text("name"))
}
