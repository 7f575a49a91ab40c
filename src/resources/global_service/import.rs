//! Finding global services in the clusters, and reading the attributes of `mesh_global_service` off them.

use async_trait::async_trait;
use serde_json::Value as Json;

use super::{GlobalService, GlobalServiceModel};
use crate::{
    data::Kind,
    mesh::{
        ClusterKey, Host, Namespace,
        global::{GlobalId, Request},
        labels,
    },
    ports::Failure,
    world::{ClusterAccess, World, listing::Discover},
};
use framework::{Cx, Error};

/// Reads what was asked of an existing service: any of its clusters shows it.
pub(super) async fn import(id: &str, cx: &Cx<'_, World>) -> Result<GlobalServiceModel, Error> {
    let wrong = |problem: String| Error::new("Invalid import ID", problem);
    let form = || wrong(format!("`{id}` is not a valid import ID. The format is NAMESPACE/HOST, for example shop/checkout.mesh.local."));
    let (namespace, host) = id.split_once('/').ok_or_else(form)?;
    let id = GlobalId { namespace: Namespace::parse(namespace).map_err(wrong)?, host: Host::parse(host).map_err(wrong)? };
    let (mut asked, mut failed) = (Vec::new(), None);
    for cluster in cx.world.clusters.keys().ok_or_else(|| cx.defer("The map `clusters`"))? {
        if !cx.world.clusters.is_known(&cluster) {
            continue;
        }
        match cx.cluster(&cluster).get(&id.rule()).await {
            Ok(Some(rule)) => {
                let request = Request::read(&rule).map_err(|problem| Error::new("Not a global service of this provider", problem))?;
                return Ok(GlobalServiceModel::from(&GlobalService { id, request }));
            }
            Ok(None) => asked.push(format!("`{cluster}`")),
            Err(failure) => failed = failed.or(Some(failure)),
        }
    }
    match failed {
        Some(failure) => Err(failure.into()),
        None => Err(Error::nothing_to_import(format!("None of the clusters {} has {}.", asked.join(", "), id.rule()))),
    }
}

#[async_trait]
impl Discover for GlobalService {
    async fn discover(cluster: &ClusterKey, cx: &Cx<'_, World>) -> Result<Vec<String>, Failure> {
        let rules = cx.cluster(cluster).list(Kind::DESTINATION_RULE, None, &labels::globals()).await?;
        // Each cluster of a service has its record; the first one lists it.
        let of_cluster = |rule: &&Json| Request::read(rule).is_ok_and(|request| request.home() == Some(cluster));
        let name = |rule: &Json| Some(format!("{}/{}", rule["metadata"]["namespace"].as_str()?, rule["spec"]["host"].as_str()?));
        Ok(rules.iter().filter(of_cluster).filter_map(name).collect())
    }
}
