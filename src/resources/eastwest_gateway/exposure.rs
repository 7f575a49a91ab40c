//! The Services for which the gateway is open under their own names.

use std::collections::BTreeMap;

use super::{EastwestGateway, EastwestGatewayModel};
use crate::{
    data::{Kind, ObjectRef},
    mesh::{
        Namespace, ReleaseName,
        export::pod_labels,
        exposure::{self, ExposedService, Exposure},
        helm::gateway::GatewayNames,
        labels::{self, selector_of},
        names,
        observe::drift::own_differences,
    },
    ports::Failure,
    world::{LiveCluster, World},
};
use framework::{AttributePath, Cx, Error, Parse, Prior, Set, Value};

impl EastwestGateway {
    fn exposure(&self) -> ObjectRef {
        exposure::object(&self.gateway.namespace, &self.gateway.names)
    }

    /// Returns the Services that are named, and those that have the labels now.
    async fn exposed_services(&self, cx: &Cx<'_, World>) -> Result<Vec<ExposedService>, Failure> {
        let found = match &self.exposed.labels {
            Some(labels) => self.on(cx).list(Kind::SERVICE, None, &selector_of(labels)).await?,
            None => Vec::new(),
        };
        Ok(self.exposed.with(&found))
    }

    /// Opens the gateway for the Services, and closes it for those that it was opened for before.
    pub(super) async fn expose(&self, prior: &Prior<Self>, cx: &Cx<'_, World>) -> Result<(), Error> {
        let services = self.exposed_services(cx).await?;
        if !services.is_empty() {
            self.check_exposure(&services, cx).await?;
            let manifest = exposure::manifest(&self.gateway.namespace, &self.gateway.names, &self.exposed, &services);
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
    async fn check_exposure(&self, services: &[ExposedService], cx: &Cx<'_, World>) -> Result<(), Error> {
        let others = self.on(cx).list(Kind::GATEWAY, None, &labels::unmanaged_selector()).await?;
        let Some(opening) = exposure::conflict(&others, &pod_labels(&self.gateway.names, None), services) else { return Ok(()) };
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
        let (services, live) = futures::future::try_join(self.exposed_services(cx), self.on(cx).get(&object)).await?;
        let lines = match live {
            None if services.is_empty() => Vec::new(),
            None => vec!["it is gone".to_owned()],
            // What others have made is none of ours.
            Some(live) if services.is_empty() => {
                labels::is_ours(&live).then(|| "must be removed: no Service has the labels".to_owned()).into_iter().collect()
            }
            Some(live) => {
                own_differences(&exposure::manifest(&self.gateway.namespace, &self.gateway.names, &self.exposed, &services), &live)
            }
        };
        Ok(lines.into_iter().map(|line| format!("{object}: {line}")).collect())
    }

    /// Deletes the Gateway, if it is ours.
    pub(super) async fn close(&self, cx: &Cx<'_, World>) -> Result<(), Failure> {
        match self.on(cx).get_ours(&self.exposure()).await? {
            Some(live) => self.on(cx).delete_found(&live, labels::is_ours).await,
            None => Ok(()),
        }
    }
}

/// Parses the attributes.
pub(super) fn parse(model: &EastwestGatewayModel, parse: &mut Parse<'_>) -> Option<Exposure> {
    let services = parse.each("exposed_services", &model.exposed_services, |text| ExposedService::parse(text));
    let check = |value: &String| names::check_label_value(value).map(|()| value.clone());
    let labels = parse.optional_entries("exposed_service_labels", &model.exposed_service_labels, check);
    for key in model.exposed_service_labels.as_ref_option().into_iter().flat_map(BTreeMap::keys) {
        if let Err(problem) = names::check_key(key) {
            parse.violation(parse.path("exposed_service_labels").key(key.clone()), &problem);
        }
    }
    if model.exposed_service_labels.as_ref_option().is_some_and(BTreeMap::is_empty) {
        parse
            .violation(parse.path("exposed_service_labels"), &"must have one label at least: without any, every Service would be exposed.");
    }
    Some(Exposure { services: services?, labels: labels? })
}

type Attributes = (Value<Set<String>>, Value<BTreeMap<String, Value<String>>>);

/// Returns the attributes of a gateway that exists; null if it is open for nothing.
pub(super) async fn imported(cluster: LiveCluster<'_>, namespace: &str, release: &str) -> Result<Attributes, Error> {
    let named = Namespace::parse(namespace).ok().zip(ReleaseName::parse(release).ok());
    let Some((namespace, release)) = named else { return Ok((Value::Null, Value::Null)) };
    let live = cluster.get(&exposure::object(&namespace, &GatewayNames::of(release))).await?;
    let found = live.as_ref().filter(|live| labels::is_ours(live)).map(Exposure::read).unwrap_or_default();
    let labels = found.labels.map(|labels| labels.into_iter().map(|(key, text)| (key, Value::Value(text))).collect());
    Ok((super::some_of(found.services, |service: ExposedService| Value::Value(service.to_string())), labels.into()))
}
