//! What a create of a gateway starts from: nothing, what an interrupted create has left, or a gateway of others that it takes over.

use futures::future::try_join_all;
use serde_json::Value as Json;

use super::{EastwestGateway, EastwestGatewayModel, plan::is_harmless, port_value};
use crate::{
    data::{Deployed, Kind, ObjectRef},
    mesh::{
        ClusterKey, EastwestGatewaySettings,
        observe::operator::{self, is_without_helm},
    },
    ports::{Failure, FailureKind},
    world::{ClusterAccess as _, Sorted, Strays, World, adoptable, adopts, check_step, managed_already, release_drift, strings},
};
use framework::{AttributePath, Cx, Error, Parse, Prior, Report, Value};

/// What an apply starts from.
#[derive(Default)]
pub(super) struct Found {
    /// The installed version, if one is known.
    pub(super) version: Option<String>,
    /// The state has no object, and what there is isn't this provider's.
    pub(super) is_adopted: bool,
}

impl Found {
    fn own(release: Option<Deployed>) -> Self {
        Self { version: release.map(|release| release.version), is_adopted: false }
    }
}

/// The kinds of the chart's objects beside its Deployment and its Service.
const KINDS: [Kind; 6] =
    [Kind::SERVICE_ACCOUNT, Kind::ROLE, Kind::ROLE_BINDING, Kind::AUTOSCALER, Kind::DISRUPTION_BUDGET, Kind::NETWORK_POLICY];

/// How to get on where some of them belong to a release that exists.
const WAY_OUT: &str = "To take that release over, set `name` to its name, and `service_name` to that of its Service. If it is to go, uninstall it first: \
                       its load balancer goes with it. If it is to stay, choose another `name`.";

/// What there is of a gateway.
struct Seen {
    release: Option<Deployed>,
    service: Option<Json>,
    deployment: Option<Json>,
    strays: Vec<Strays>,
}

impl Seen {
    /// Returns its Deployment, or its Service if somebody has deleted that, where no Helm release has it.
    fn without_helm(&self) -> Option<&Json> {
        self.deployment.as_ref().or(self.service.as_ref()).filter(|object| is_without_helm(object))
    }

    /// Returns its version: that of the release, or the one that `istioctl` has noted.
    fn version(&self) -> Option<String> {
        self.release.as_ref().map(|release| release.version.clone()).or_else(|| operator::version(self.without_helm()?))
    }
}

impl EastwestGateway {
    fn import_of(&self) -> String {
        format!("mesh_eastwest_gateway.<name> {}/{}/{}", self.cluster, self.namespace(), self.gateway.names.release)
    }

    fn title(&self) -> String {
        format!("the Helm release {}/{}", self.namespace(), self.gateway.names.release)
    }

    fn deployment(&self) -> ObjectRef {
        ObjectRef::namespaced(Kind::DEPLOYMENT, self.namespace(), self.gateway.names.service())
    }

    /// Returns the release that this resource may go on with. Where the state has no object, this is what an interrupted create has left, or with
    /// `adopt` one of others.
    pub(super) async fn own_release(&self, prior: &Prior<Self>, cx: &Cx<'_, World>) -> Result<Found, Error> {
        let cluster = self.on(cx);
        loop {
            let release = self.release(cx).await?;
            if !prior.is_none() {
                return Ok(Found::own(release));
            }
            let is_of_others = cluster.are_of_others(release.iter());
            if is_of_others && !self.adopts {
                return Err(adoptable(&self.cluster, &self.title(), &self.import_of()));
            }
            if is_of_others || release.is_none() {
                if !self.adopts {
                    return Ok(Found::own(release));
                }
                let seen = self.look(release, cx).await?;
                cluster.check_strays(&seen.strays, "objects", WAY_OUT)?;
                if !is_of_others && seen.without_helm().is_none() {
                    return Ok(Found::own(seen.release));
                }
                // The plan may have seen something else, or nothing.
                self.check_takeover(&seen, cx)?;
                return Ok(Found { version: seen.version(), is_adopted: true });
            }
            if cluster.takes_up(&self.title(), cluster.mark_of(release.iter()), || self.import_of()).await? {
                return Ok(Found::own(release));
            }
        }
    }

    async fn look(&self, release: Option<Deployed>, cx: &Cx<'_, World>) -> Result<Seen, Error> {
        let (cluster, service, deployment) = (self.on(cx), self.service(), self.deployment());
        let (service, deployment, more) = tokio::try_join!(cluster.get(&service), cluster.get(&deployment), self.look_beside(cx))?;
        let objects = service.iter().chain(&deployment).chain(&more);
        let own = self.gateway.names.release.as_str();
        let found = Sorted::of(objects, |namespace, name| namespace == self.namespace() && name == own);
        let strays = cluster.strays(found).await?;
        Ok(Seen { release: release.map(explicit), service, deployment, strays })
    }

    /// Returns objects with the names of the chart's other objects. Those that the credentials may not read can't be told of.
    async fn look_beside(&self, cx: &Cx<'_, World>) -> Result<Vec<Json>, Failure> {
        let looks = KINDS.map(|kind| async move {
            // The chart names them like the Deployment.
            match self.on(cx).get(&ObjectRef::namespaced(kind, self.namespace(), self.gateway.names.service())).await {
                Err(failure) if failure.kind == FailureKind::Denied => Ok(None),
                found => found,
            }
        });
        Ok(try_join_all(looks).await?.into_iter().flatten().collect())
    }

    /// Returns the lines by which a plan announces what belongs to others.
    fn stray_lines(&self, seen: &Seen) -> Vec<String> {
        seen.strays.iter().map(|stray| stray.line(&format!("the release {}", self.gateway.names.release))).collect()
    }

    /// Tells a plan what the create takes over, and plans the addresses, which stay unless the Service changes. What can't be seen is a warning.
    async fn preview(&self, planned: &mut EastwestGatewayModel, cx: &Cx<'_, World>) -> Result<(), Error> {
        let cluster = self.on(cx);
        let seen = match async { self.look(self.release(cx).await?, cx).await }.await {
            Ok(seen) => seen,
            Err(error) => {
                cluster.adoption_unseen(&self.title(), &format!("{}: {}", error.summary, error.detail));
                return Ok(());
            }
        };
        cluster.check_strays(&seen.strays, "objects", WAY_OUT)?;
        match &seen.release {
            Some(release) if cluster.are_of_others(std::iter::once(release)) => {
                self.check_takeover(&seen, cx)?;
                let wanted = self.gateway.release(self.wanted_version(cx));
                let drift = match release_drift(cluster, &wanted, release, &self.ignored).await {
                    Ok(lines) => lines,
                    Err(error) => {
                        cluster.adoption_unseen(&self.title(), &format!("{}: {}", error.summary, error.detail));
                        return Ok(());
                    }
                };
                cluster.announce_adoption(&self.title(), &[self.stray_lines(&seen), drift.clone()].concat());
                if drift.iter().all(|line| is_harmless(line)) {
                    self.plan_addresses(planned, seen.service.as_ref());
                }
                Ok(())
            }
            Some(release) if release.mark.is_none() => Err(managed_already(&self.cluster, &self.title(), &self.import_of())),
            Some(_) => Ok(()),
            None => {
                if let Some(object) = seen.without_helm() {
                    self.check_takeover(&seen, cx)?;
                    let kind = object["kind"].as_str().unwrap_or("Deployment");
                    let what = format!("{kind} {}/{} and what belongs to it", self.namespace(), self.gateway.names.service());
                    cluster.announce_adoption(&what, &[self.stray_lines(&seen), vec![self.becomes_a_release(object)]].concat());
                } else if !seen.strays.is_empty() {
                    cluster.announce_adoption("what is left of another gateway", &self.stray_lines(&seen));
                }
                Ok(())
            }
        }
    }

    fn becomes_a_release(&self, object: &Json) -> String {
        let version = operator::version(object).map(|version| format!(" of version {version}")).unwrap_or_default();
        format!(
            "all objects{version}: they become part of {}, and are set to what the chart says. The plan doesn't run Helm, so it can't show that: \
             compare the output of `helm template` with the cluster by `kubectl diff`",
            self.title()
        )
    }

    /// The version that the configuration asks for.
    pub(super) fn wanted_version(&self, cx: &Cx<'_, World>) -> Option<String> {
        self.istio_version.clone().or_else(|| cx.world.istio_version.clone())
    }

    /// Refuses what can't be taken over, and warns of what had better not be.
    fn check_takeover(&self, seen: &Seen, cx: &Cx<'_, World>) -> Result<(), Error> {
        seen.release.iter().try_for_each(|release| self.check_manageable(release))?;
        seen.deployment.iter().try_for_each(|deployment| self.check_selector(deployment))?;
        if let (Some(found), Some(wanted)) = (seen.version(), self.wanted_version(cx))
            && let Some(warning) = check_step(&found, &wanted)?
        {
            cx.warn(warning);
        }
        Ok(())
    }

    /// Refuses a release that can't be managed without another load balancer, or at all.
    fn check_manageable(&self, live: &Deployed) -> Result<(), Error> {
        let Some((attribute, found)) = self.gateway.unmanageable(&live.values) else { return Ok(()) };
        Err(Error::new(
            "The gateway has another name",
            format!(
                "The Helm release {}/{} of cluster \"{}\" was installed with another `{attribute}`: {found:?}. To take it over as it is, set \
                 `{attribute} = {found:?}`. A change would need another Service with another load balancer, or select other pods, which the API \
                 server doesn't allow.",
                live.namespace, live.name, self.cluster
            ),
        )
        .at(AttributePath::new(attribute)))
    }

    /// Refuses a Deployment whose pods the chart would select by other labels: the API server allows no change of that.
    fn check_selector(&self, deployment: &Json) -> Result<(), Error> {
        let wanted = self.gateway.selector();
        let found = &deployment["spec"]["selector"]["matchLabels"];
        if *found == serde_json::json!(wanted) {
            return Ok(());
        }
        let (namespace, name) = (self.namespace(), self.gateway.names.service());
        let pods = &deployment["spec"]["template"]["metadata"]["labels"];
        let way_out = if wanted.iter().all(|(label, value)| pods[label] == **value) {
            format!(
                "Delete the Deployment and leave its pods: `kubectl delete deployment --cascade=orphan --namespace {namespace} {name}`. Then apply. The \
                 pods serve until those of the new Deployment are ready. The Service stays, and its load balancer with it."
            )
        } else {
            format!(
                "A label `app` of your own can be set in `values`, under `labels`. Or delete the Deployment, whose Service stays with its load balancer: \
                 `kubectl delete deployment --namespace {namespace} {name}`. The apply creates it again; until it is ready, calls through the gateway \
                 fail."
            )
        };
        let shown = |labels: &Json| serde_json::to_string(labels).unwrap_or_default();
        Err(Error::new(
            "The gateway can't be taken over",
            format!(
                "{} of cluster \"{}\" selects its pods by the labels {}, and the chart would by {}. The API server allows no change of that. {way_out}",
                self.deployment(),
                self.cluster,
                shown(found),
                shown(&serde_json::json!(wanted)),
            ),
        )
        .at(AttributePath::new("adopt")))
    }

    fn plan_addresses(&self, planned: &mut EastwestGatewayModel, service: Option<&Json>) {
        let addresses = self.external.addresses(service);
        if planned.addresses.is_unknown() && !addresses.is_empty() {
            planned.addresses = strings(&addresses);
        }
        if planned.port.is_unknown() && service.is_some() {
            planned.port = port_value(self.external.port(service));
        }
    }
}

/// A release with the values that its chart assumes.
pub(super) fn explicit(release: Deployed) -> Deployed {
    Deployed { values: EastwestGatewaySettings::explicit(&release.values, &release.name), ..release }
}

/// Tells a plan what an apply takes over.
pub(super) async fn preview(planned: &mut EastwestGatewayModel, cx: &Cx<'_, World>) -> Result<(), Error> {
    if !adopts(planned.adopt) {
        return Ok(());
    }
    if let Some(spec) = EastwestGateway::parse_model(planned, &mut Parse::new(&mut Report::new())) {
        return if cx.world.clusters.is_known(&spec.cluster) { spec.preview(planned, cx).await } else { Ok(()) };
    }
    if let Value::Value(key) = &planned.cluster
        && let Ok(key) = ClusterKey::parse(key)
    {
        cx.cluster(&key).adoption_unseen(&format!("the gateway of {key}"), "Attributes of the resource are known only after apply.");
    }
    Ok(())
}
