//! The definition of ServiceExports, without which a cluster can't have one.

use super::ServiceExport;
use crate::{
    mesh::export::{mcs_definition, mcs_is_served},
    ports::FailureKind,
    world::{ClusterAccess as _, World},
};
use framework::{AttributePath, Cx, Error};

impl ServiceExport {
    /// Fails if the export wants a ServiceExport and the cluster doesn't know these. Without the permission to see definitions, the write shows it.
    pub(super) async fn check_mcs(&self, cx: &Cx<'_, World>) -> Result<(), Error> {
        if !self.request.mcs_service_export {
            return Ok(());
        }
        match cx.cluster(&self.id.exporter).get(&mcs_definition()).await {
            Ok(Some(live)) if mcs_is_served(&live) => Ok(()),
            Err(failure) if failure.kind == FailureKind::Denied => Ok(()),
            Err(failure) => Err(failure.into()),
            Ok(_) => Err(self.without_mcs()),
        }
    }

    fn without_mcs(&self) -> Error {
        Error::new(
            "The Multi-Cluster Services API is not installed",
            format!(
                "Cluster \"{}\" has no {} that serves the version v1alpha1, so it can't have the ServiceExport of `{}/{}`, and nothing was changed. Install the definition, which \
                 neither Kubernetes nor Istio brings, and apply again:\n\n\
                 kubectl apply -f https://raw.githubusercontent.com/kubernetes-sigs/mcs-api/master/config/crd/multicluster.x-k8s.io_serviceexports.yaml\n\n\
                 Or leave `mcs_service_export` out: calls of \"{}\" need no ServiceExport.",
                self.id.exporter,
                mcs_definition(),
                self.id.namespace,
                self.request.service,
                self.id.host
            ),
        )
        .at(AttributePath::new("mcs_service_export"))
    }
}
