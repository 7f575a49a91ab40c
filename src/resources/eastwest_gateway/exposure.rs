//! The Services for which the gateway is open under their own names.

use super::EastwestGateway;
use crate::{
    data::{Kind, ObjectRef},
    mesh::{
        Namespace, ReleaseName,
        export::pod_labels,
        exposure::{self, ExposedService},
        helm::gateway::GatewayNames,
        labels,
        observe::drift::own_differences,
    },
    ports::Failure,
    world::{LiveCluster, World},
};
use framework::{AttributePath, Cx, Error, Prior, Set, Value};

impl EastwestGateway {
    fn exposure(&self) -> ObjectRef {
        exposure::object(&self.gateway.namespace, &self.gateway.names)
    }

    /// Opens the gateway for the Services, and closes it for those that it was opened for before.
    pub(super) async fn expose(&self, prior: &Prior<Self>, cx: &Cx<'_, World>) -> Result<(), Error> {
        if !self.exposed.is_empty() {
            self.check_exposure(cx).await?;
            let manifest = exposure::manifest(&self.gateway.namespace, &self.gateway.names, &self.exposed);
            let was_open = prior.finished().is_some_and(|former| !former.exposed.is_empty() && former.exposure() == self.exposure());
            let live = self.on(cx).get(&self.exposure()).await?;
            let is_others = !was_open && live.as_ref().is_some_and(|live| !labels::is_ours(live));
            if is_others || !self.on(cx).put_own(&manifest, live.is_none()).await? {
                return Err(self.exposure_of_others());
            }
            return Ok(());
        }
        if prior.in_place().any(|former| !former.exposed.is_empty()) { self.close(cx).await.map_err(Error::from) } else { Ok(()) }
    }

    /// Refuses what would break the gateway: hosts that overlap with those of a Gateway of others.
    async fn check_exposure(&self, cx: &Cx<'_, World>) -> Result<(), Error> {
        let others = self.on(cx).list(Kind::GATEWAY, None, &labels::unmanaged_selector()).await?;
        let Some(opening) = exposure::conflict(&others, &pod_labels(&self.gateway.names, None), &self.exposed) else { return Ok(()) };
        Err(Error::new(
            "Another Gateway opens the Services",
            format!(
                "In cluster \"{}\" {opening} on this gateway already, and Envoy rejects all listeners of a gateway on which hosts overlap. Delete that Gateway, or \
                 remove the Services that it opens from `exposed_services`: they can be called through it.",
                self.cluster
            ),
        )
        .at(AttributePath::new("exposed_services")))
    }

    fn exposure_of_others(&self) -> Error {
        let object = self.exposure();
        Error::new(
            "Already exists",
            format!(
                "Cluster \"{}\" already has {object}, which this resource didn't create, so it was not changed. Delete it, or give the gateway another \
                 `name`.",
                self.cluster
            ),
        )
        .at(AttributePath::new("exposed_services"))
    }

    /// Returns how the Gateway differs, a line each.
    pub(super) async fn exposure_drift(&self, cx: &Cx<'_, World>) -> Result<Vec<String>, Error> {
        if self.exposed.is_empty() {
            return Ok(Vec::new());
        }
        let object = self.exposure();
        let Some(live) = self.on(cx).get(&object).await? else { return Ok(vec![format!("{object}: it is gone")]) };
        let manifest = exposure::manifest(&self.gateway.namespace, &self.gateway.names, &self.exposed);
        Ok(own_differences(&manifest, &live).into_iter().map(|line| format!("{object}: {line}")).collect())
    }

    /// Deletes the Gateway, if it is ours.
    pub(super) async fn close(&self, cx: &Cx<'_, World>) -> Result<(), Failure> {
        match self.on(cx).get_ours(&self.exposure()).await? {
            Some(live) => self.on(cx).delete_found(&live, labels::is_ours).await,
            None => Ok(()),
        }
    }
}

/// Returns the attribute of a gateway that exists; null if it is open for nothing.
pub(super) async fn imported(cluster: LiveCluster<'_>, namespace: &str, release: &str) -> Result<Value<Set<String>>, Error> {
    let named = Namespace::parse(namespace).ok().zip(ReleaseName::parse(release).ok());
    let Some((namespace, release)) = named else { return Ok(Value::Null) };
    let live = cluster.get(&exposure::object(&namespace, &GatewayNames::of(release))).await?;
    let services = live.as_ref().filter(|live| labels::is_ours(live)).map(exposure::read).unwrap_or_default();
    Ok(super::some_of(services, |service: ExposedService| Value::Value(service.to_string())))
}
