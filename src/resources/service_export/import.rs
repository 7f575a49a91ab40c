//! Finding exports in the clusters, and reading the attributes of `mesh_service_export` off them.

use async_trait::async_trait;
use serde_json::Value as Json;

use super::{ServiceExport, ServiceExportModel};
use crate::{
    data::{Kind, ObjectRef},
    mesh::{
        ClusterKey, ExportId, Host, Namespace,
        export::{Request, by_hand},
        helm::gateway::addresses,
        labels,
    },
    ports::Failure,
    world::{ClusterAccess, World, import, listing::Discover},
};
use framework::{Cx, Error};

/// Reads what was asked of an existing export.
pub(super) async fn import(id: &str, cx: &Cx<'_, World>) -> Result<ServiceExportModel, Error> {
    let (exporter, [namespace, host]) = import::parts(id, "CLUSTER/NAMESPACE/HOST, for example eu/echo/echo.eu.mesh.local", cx)?;
    let wrong = |problem: String| Error::new("Invalid import ID", problem);
    let id = ExportId { exporter, namespace: Namespace::parse(&namespace).map_err(wrong)?, host: Host::parse(&host).map_err(wrong)? };
    let exporter = cx.cluster(&id.exporter);
    let found = exporter.list(Kind::SERVICE_ENTRY, Some(&namespace), &id.selector()).await?;
    let Some(entry) = found.first() else {
        let mut error = import::nothing(exporter.key, &format!("ServiceEntry of an export of {host} in namespace {namespace}"));
        let others = exporter.list(Kind::SERVICE_ENTRY, None, &labels::unmanaged_selector()).await?;
        if others.iter().any(|other| by_hand(other, &id.host).is_some()) {
            error.detail.push_str(
                " Somebody else has written a ServiceEntry of the host. Instead of importing it, add the resource to the configuration with `adopt = \
                 true`: the plan shows what changes.",
            );
        }
        return Err(error);
    };
    let request = Request::read(entry).map_err(|problem| Error::new("Not an export of this provider", problem))?;
    let gateway = ObjectRef::namespaced(Kind::SERVICE, request.gateway_namespace.as_str(), request.gateway_service_name());
    let addresses = exporter.get(&gateway).await?.as_ref().map(addresses).unwrap_or_default();
    Ok(ServiceExportModel::from(&ServiceExport { id, request, addresses, adopts: false }))
}

#[async_trait]
impl Discover for ServiceExport {
    async fn discover(cluster: &ClusterKey, cx: &Cx<'_, World>) -> Result<Vec<String>, Failure> {
        let entries = cx.cluster(cluster).list(Kind::SERVICE_ENTRY, None, &labels::exported_by(cluster)).await?;
        // Entries of the importers have the label too, but are in other clusters.
        let name = |entry: &Json| {
            let (namespace, host) = (entry["metadata"]["namespace"].as_str()?, entry["spec"]["hosts"][0].as_str()?);
            Some(format!("{cluster}/{namespace}/{host}"))
        };
        Ok(entries.iter().filter_map(name).collect())
    }
}
