//! Looks, after an apply, for what makes calls of the export fail although its objects are right, and warns of it.

use super::{ServiceExport, ServiceExportModel};
use crate::{
    data::Kind,
    mesh::{ClusterKey, Export, Vip, export, labels::selector_of},
    resources::service_ranges::{Owner, warn_of_service_ranges},
    world::{ClusterAccess, World},
};
use framework::{AttributePath, Cx, Error, Parse};

/// The pods that a warning names at most.
const NAMED: usize = 5;

/// The attribute that has the address, of an export and of a global service.
pub(in crate::resources) const VIP: Owner =
    Owner { attribute: "vip", advice: "Choose a `vip` of 240.0.0.0/4 or outside of that range, or leave it out." };

impl ServiceExport {
    /// Warns of pods that can't answer. A look that fails is left out: the export is complete.
    pub(in crate::resources) async fn warn_of_surroundings(&self, export: &Export, cx: &Cx<'_, World>) {
        if let Ok(pods) =
            cx.cluster(&self.id.exporter).list(Kind::POD, Some(self.id.namespace.as_str()), &selector_of(&export.selector)).await
        {
            let bare = export::without_sidecar(&pods);
            if !bare.is_empty() {
                cx.warn(self.without_sidecar(&bare));
            }
        }
    }

    /// Warns of a virtual address that Services of an importer may have.
    pub(super) async fn warn_of_service_ranges(&self, cx: &Cx<'_, World>) {
        if let Some(vip) = self.request.vip {
            warn_of_service_ranges(&self.request.importers, vip, &VIP, cx).await;
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

/// Warns in a plan, of which the gateway's addresses may not be known yet.
pub(super) async fn preview(planned: &ServiceExportModel, cx: &Cx<'_, World>) {
    if let Some(vip) = planned.vip.as_ref_option().and_then(|vip| Vip::parse(vip).ok()) {
        let importers = Parse::each_known(&planned.importers, |key: &String| ClusterKey::parse(key));
        warn_of_service_ranges(&importers, vip, &VIP, cx).await;
    }
}
