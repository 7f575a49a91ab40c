//! A second istiod with a revision, beside the cluster's own one.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::{CanaryModel, Cluster, ClusterModel, parse_plane};
use crate::{
    data::{Deployed, Kind, Release},
    mesh::{
        Canary, ControlPlane, Revision, Values, helm::control_plane::ISTIOD_CHART, inventory::INJECTORS, names::REVISION_LABEL,
        rotation::Workload,
    },
    ports::Failure,
    world::{Creation, World, check_step, parse_version},
};
use framework::{AttributePath, Cx, Error, Parse, Plan, Prior, Value};

/// The revision of an istiod without one.
const DEFAULT: &str = "default";

pub(super) fn parse(model: &CanaryModel, parse: &mut Parse<'_>) -> Option<Canary> {
    let revision = parse.required("revision", &model.revision, |text| match text.as_str() {
        DEFAULT => Err("`default` is the revision of the cluster's own istiod. Choose another name, for example `canary`.".to_owned()),
        text => Revision::parse(text),
    });
    let istio_version = parse.optional("istio_version", &model.istio_version, |text| parse_version(text));
    let values = parse.each("values", &model.values, |text| Values::parse(text));
    Some(Canary { revision: revision?, istio_version: istio_version?, values: values? })
}

fn path() -> AttributePath {
    AttributePath::new("canary")
}

/// Checks a planned canary: its version against that of the cluster's own istiod, and its values.
pub(super) fn check_plan(plan: &mut Plan<'_, ClusterModel, World>) {
    let Value::Value(model) = &plan.planned.canary else { return };
    let version = model.istio_version.as_ref_option();
    let own = match &plan.planned.istio_version {
        Value::Null => plan.world.map(|world| world.istio_version.clone()),
        own => own.as_ref_option().cloned().map(Some),
    };
    match (own, version) {
        (Some(None), Some(_)) => plan.report.error(
            Error::new(
                "The version of the cluster's own istiod is not set",
                "`canary.istio_version` is set, and `istio_version` is not, so nothing says which version the cluster's own istiod keeps meanwhile. Set \
                 `istio_version` to `installed_version`, or `helm.version` in the provider's configuration.",
            )
            .at(path().attribute("istio_version")),
        ),
        (Some(Some(own)), Some(wanted)) => {
            let at = path().attribute("istio_version");
            match check_step(&own, wanted) {
                Ok(warning) => warning.into_iter().for_each(|warning| plan.report.warning(warning.at(at.clone()))),
                Err(error) => plan.report.error(error.at(at)),
            }
        }
        _ => {}
    }
    let has_ca = !plan.planned.ca.is_null();
    let plane = |model: &ClusterModel, parse: &mut Parse<'_>| {
        let values = parse.each("values", &model.canary.as_ref_option()?.values, |text| Values::parse(text))?;
        Some(ControlPlane { values, ..parse_plane(model, parse)? })
    };
    if let Some(plane) = plan.known(plane) {
        let at = || path().attribute("values");
        plane.refusals(has_ca).into_iter().for_each(|refusal| plan.report.error(Error::new(refusal.title(), refusal.message).at(at())));
        plane.lints().into_iter().for_each(|lint| plan.report.warning(Error::new(lint.title(), lint.message).at(at())));
    }
}

impl Cluster {
    /// Returns the version of the chart `base`: the newer one of those of both istiods, as its definitions must have all that either reads.
    pub(super) fn version_of_base(&self, own: Option<String>) -> Option<String> {
        let canary = self.canary.as_ref().and_then(|canary| canary.istio_version.clone());
        let parsed = |version: &str| semver::Version::parse(version.trim_start_matches('v')).ok();
        match (own, canary) {
            (Some(own), Some(canary)) if parsed(&canary) > parsed(&own) => Some(canary),
            (own, _) => own,
        }
    }

    /// Returns the releases of canaries that this provider has installed: by their mark, and those of `applied`, which somebody may have upgraded
    /// since.
    pub(super) async fn canaries(&self, applied: impl Iterator<Item = &Self>, cx: &Cx<'_, World>) -> Result<Vec<Deployed>, Failure> {
        let applied: BTreeSet<_> = applied.filter_map(|applied| applied.canary.as_ref()).map(Canary::release_name).collect();
        let istiods = self.on(cx).releases_of(Some(self.namespace()), &[ISTIOD_CHART]).await?;
        let is_canary =
            |release: &Deployed| Canary::revision_of(&release.name).is_some() && (release.is_ours || applied.contains(&release.name));
        Ok(istiods.into_iter().filter(is_canary).collect())
    }

    /// Returns the canaries that this apply removes at its end, and fails before it has changed anything if one of them is in use, or if the
    /// name of the one that is wanted is taken. `may_have_one`: an interrupted create may have installed it.
    pub(super) async fn outdated_canaries(
        &self,
        prior: &Prior<Self>,
        may_have_one: bool,
        cx: &Cx<'_, World>,
    ) -> Result<Vec<Deployed>, Error> {
        if self.canary.is_none() && !may_have_one && prior.in_place().all(|prior| prior.canary.is_none()) {
            return Ok(Vec::new());
        }
        // An apply that failed may have been refused for the name.
        let canaries = self.canaries(prior.finished().into_iter(), cx).await?;
        let wanted = self.canary.as_ref().map(Canary::release_name);
        if let Some(name) = &wanted
            && canaries.iter().all(|canary| canary.name != *name)
            && let Some(found) = self.release(name, cx).await?
        {
            return Err(self.taken(&found));
        }
        let mut outdated = canaries;
        outdated.retain(|release| Some(&release.name) != wanted.as_ref());
        for release in &outdated {
            self.check_unused(release, cx).await?;
        }
        Ok(outdated)
    }

    fn taken(&self, found: &Deployed) -> Error {
        let detail = format!(
            "Cluster \"{}\" already has the Helm release {}/{}, which this provider didn't install, so it was not changed.\n\nChoose another \
             `revision`, or uninstall that release when no workload uses it.",
            self.cluster, found.namespace, found.name
        );
        Error::new("Already exists", detail).at(path().attribute("revision"))
    }

    /// Refuses to remove an istiod without which pods don't start, or get no more certificates.
    async fn check_unused(&self, release: &Deployed, cx: &Cx<'_, World>) -> Result<(), Error> {
        let Some(revision) = Canary::revision_of(&release.name) else { return Ok(()) };
        let (pods, namespaces, injectors) = tokio::try_join!(
            self.on(cx).list(Kind::POD, None, Workload::SELECTOR),
            self.on(cx).list_metadata(Kind::NAMESPACE, None, REVISION_LABEL),
            self.on(cx).list_metadata(Kind::MUTATING_WEBHOOK, None, INJECTORS),
        )?;
        let names = Canary::names_of(revision, &injectors);
        let asks = |namespace: &&Json| namespace["metadata"]["labels"][REVISION_LABEL].as_str().is_some_and(|name| names.contains(name));
        let mut users: Vec<_> = namespaces.iter().filter(asks).map(|namespace| format!("Namespace {}", name(namespace))).collect();
        let mut counts = BTreeMap::<&str, (usize, &str)>::new();
        for pod in pods.iter().filter(|pod| Canary::has_injected(revision, pod)) {
            counts.entry(pod["metadata"]["namespace"].as_str().unwrap_or_default()).or_insert((0, name(pod))).0 += 1;
        }
        users.extend(counts.into_iter().map(|(namespace, (count, pod))| match count {
            1 => format!("Pod {namespace}/{pod}"),
            count => format!("{count} pods in namespace {namespace}, for example {pod}"),
        }));
        if users.is_empty() {
            return Ok(());
        }
        let detail = format!(
            "The Helm release {}/{} of cluster \"{}\" was not removed, and nothing else was changed: without its istiod, pods of the revision {revision} \
             get no more certificates, and new ones no sidecar. It is used by:\n\n- {}\n\nRemove the label `istio.io/rev` of their namespaces, and \
             `revision` of the gateways in an apply before this one, restart the pods with `kubectl rollout restart deployment --namespace NAMESPACE`, \
             and apply again.",
            release.namespace,
            release.name,
            self.cluster,
            users.join("\n- ")
        );
        Err(Error::new("The canary is in use", detail).at(path()))
    }

    /// Installs or upgrades the canary, if one is wanted, and waits until it injects sidecars. `plane` and `version` are those of the cluster's
    /// own istiod.
    pub(super) async fn apply_canary(
        &self,
        plane: &ControlPlane,
        version: &str,
        creation: Option<&Creation>,
        cx: &Cx<'_, World>,
    ) -> Result<(), Error> {
        let Some((canary, release)) = self.canary.as_ref().zip(self.wanted_canary(plane, Some(version.to_owned()))) else { return Ok(()) };
        self.install(release, creation, cx).await?;
        let injector = canary.injector_webhook(&self.plane.namespace);
        match self.wait_for_injection(&injector, cx).await {
            Ok(()) => Ok(()),
            Err(failure) => Err(self.with_evidence(failure, cx).await),
        }
    }

    /// Uninstalls canaries.
    pub(super) async fn remove_canaries(&self, canaries: &[Deployed], cx: &Cx<'_, World>) -> Result<(), Error> {
        for canary in canaries {
            self.on(cx).uninstall(&canary.namespace, &canary.name).await?;
        }
        Ok(())
    }

    /// Returns the release of the canary that is wanted, beside the cluster's own istiod of these settings and this version.
    pub(super) fn wanted_canary(&self, plane: &ControlPlane, own_version: Option<String>) -> Option<Release> {
        let canary = self.canary.as_ref()?;
        Some(plane.canary_release(canary, canary.istio_version.clone().or(own_version)))
    }
}

fn name(object: &Json) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}
