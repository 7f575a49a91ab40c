//! Looks, after an apply, for what makes calls of the export fail although its objects are right, and warns of it.

use futures::future::join_all;

use super::ServiceExport;
use crate::{
    data::Kind,
    mesh::{ClusterKey, Export, Vip, export, labels::selector_of},
    world::{ClusterAccess, World},
};
use framework::{AttributePath, Cx, Error};

/// The pods that a warning names at most.
const NAMED: usize = 5;

impl ServiceExport {
    /// Warns of pods that can't answer, and of a virtual address that Services may have. A look that fails is left out: the export is complete.
    pub(in crate::resources) async fn warn_of_surroundings(&self, export: &Export, cx: &Cx<'_, World>) {
        if let Ok(pods) =
            cx.cluster(&self.id.exporter).list(Kind::POD, Some(self.id.namespace.as_str()), &selector_of(&export.selector)).await
        {
            let bare = export::without_sidecar(&pods);
            if !bare.is_empty() {
                cx.warn(self.without_sidecar(&bare));
            }
        }
        let Some(vip) = self.request.vip else { return };
        let looks = self.request.importers.iter().map(|importer| async move {
            let ranges = cx.cluster(importer).list(Kind::SERVICE_CIDR, None, "").await.ok()?;
            export::service_range(&ranges, vip).map(|range| address_of_services(importer, vip, range))
        });
        for warning in join_all(looks).await.into_iter().flatten() {
            cx.warn(warning);
        }
    }

    fn without_sidecar(&self, pods: &[&str]) -> Error {
        let named = pods.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
        let further = pods.len().checked_sub(NAMED).filter(|more| *more > 0).map(|more| format!(" and {more} more")).unwrap_or_default();
        let namespace = &self.id.namespace;
        Error::new(
            "Pods without a sidecar",
            format!(
                "These ready pods behind \"{}\" in namespace `{namespace}` of cluster \"{}\" have no sidecar: {named}{further}. Calls from other clusters \
                 that reach them fail, because the gateway passes mutual TLS on to the pod. Enable injection for the namespace (label \
                 `istio-injection=enabled`) and restart the workload.",
                self.id.host, self.id.exporter
            ),
        )
        .at(AttributePath::new("service"))
    }
}

fn address_of_services(importer: &ClusterKey, vip: Vip, range: &str) -> Error {
    let detail = format!(
        "{vip} is in {range}, from which cluster \"{importer}\" gives its Services their addresses. Calls of a Service that has, or gets, this address \
         can go to the exported host. Choose a `vip` of 240.0.0.0/4 or outside of that range, or leave it out."
    );
    Error::new("Virtual address in the range of Services", detail).at(AttributePath::new("vip"))
}
