//! Taking over a control plane of others: one of Helm, under whatever names, or one of `istioctl install`, which makes no releases.

use serde_json::Value as Json;

use super::{
    Cluster, ClusterModel,
    comparison::{Absent, Seen, explicit},
    creation::Found,
    takeover,
};
use crate::{
    data::{Deployed, Kind, ObjectRef},
    mesh::{
        Canary, ClusterKey,
        helm::control_plane::{BASE_CHART, BASE_RELEASE, ISTIOD_CHART, ISTIOD_RELEASE},
        observe::operator,
    },
    ports::Failure,
    world::{ClusterAccess as _, World, adopts, check_step, managed_already},
};
use framework::{AttributePath, Cx, Error, Parse, Prior, Report, Resource as _, Value};

/// What the namespace has of Istio that isn't under the names of this resource's releases.
pub(super) struct Others {
    /// Releases of Istio's charts with other names.
    pub(super) releases: Vec<Deployed>,
    /// istiod's Deployment, if no release has it.
    without_helm: Option<Json>,
}

impl Cluster {
    pub(super) async fn others(&self, cx: &Cx<'_, World>) -> Result<Others, Failure> {
        let istiod = self.istiod();
        let (releases, deployment) = tokio::try_join!(self.other_releases(cx), self.on(cx).get(&istiod))?;
        Ok(Others { releases, without_helm: deployment.filter(operator::is_without_helm) })
    }

    async fn other_releases(&self, cx: &Cx<'_, World>) -> Result<Vec<Deployed>, Failure> {
        let releases = self.on(cx).releases_of(Some(self.namespace()), &[BASE_CHART, ISTIOD_CHART]).await?;
        // An interrupted create may have left a canary of ours.
        let is_own = |release: &Deployed| {
            let is_canary = release.is_ours && Canary::revision_of(&release.name).is_some();
            is_canary || [BASE_RELEASE, ISTIOD_RELEASE].contains(&release.name.as_str())
        };
        Ok(releases.into_iter().filter(|release| !is_own(release)).map(explicit).collect())
    }

    fn istiod(&self) -> ObjectRef {
        ObjectRef::namespaced(Kind::DEPLOYMENT, self.namespace(), ISTIOD_RELEASE)
    }

    /// Returns the control plane of others that a create takes over, if there is one. `found` is what has the names of this resource's releases.
    pub(super) fn adopted(&self, found: &Found, others: &Others, cx: &Cx<'_, World>) -> Result<Option<Found>, Error> {
        let (mut base, mut istiod) = (found.base.clone(), found.istiod.clone());
        for other in &others.releases {
            if other.chart == ISTIOD_CHART && !self.has_istiod(other) {
                return Err(self.with_a_revision(other));
            }
            let of_chart = if other.chart == BASE_CHART { &mut base } else { &mut istiod };
            of_chart.get_or_insert_with(|| other.clone());
        }
        if base.is_none() && istiod.is_none() {
            let version = |istiod| operator::version(istiod);
            return Ok(others.without_helm.as_ref().map(|istiod| Found { is_adopted: true, version: version(istiod), ..Found::default() }));
        }
        let is_foreign = cx.cluster(&self.cluster).are_of_others(base.iter().chain(&istiod));
        Ok(is_foreign.then(|| Found { is_adopted: true, ..Found::of(base, istiod) }))
    }

    /// Whether a release consists of the istiod that this resource would install, and not of one with a revision.
    fn has_istiod(&self, release: &Deployed) -> bool {
        release.manifest.iter().any(|object| ObjectRef::of(object, self.namespace()).as_ref() == Some(&self.istiod()))
    }

    fn with_a_revision(&self, other: &Deployed) -> Error {
        Error::new(
            "istiod can't be taken over",
            format!(
                "The Helm release {}/{} of cluster \"{}\" installed an istiod with a revision, beside which this resource installs no other. Move the \
                 workloads to an istiod without a revision first, or manage that release with another tool.",
                other.namespace, other.name, self.cluster
            ),
        )
        .at(AttributePath::new("adopt"))
    }

    /// Forgets the releases whose objects `istio-base` and `istiod` have taken over: to uninstall one of them would delete the objects.
    pub(super) async fn forget_others(&self, prior: &Prior<Self>, cx: &Cx<'_, World>) -> Result<(), Error> {
        if !self.adopts || prior.finished().is_some() {
            return Ok(());
        }
        // An istiod with a revision is none of those.
        let taken_over = |release: &Deployed| release.chart == BASE_CHART || self.has_istiod(release);
        for release in self.other_releases(cx).await?.into_iter().filter(taken_over) {
            self.on(cx).forget_release(&release.namespace, &release.name).await?;
        }
        Ok(())
    }

    fn title(&self) -> String {
        format!("the control plane in namespace {}", self.namespace())
    }

    /// Tells a plan what the create takes over. What can't be seen is a warning; an error is what the apply would refuse.
    async fn preview(&self, cx: &Cx<'_, World>) -> Result<(), Error> {
        let cluster = cx.cluster(&self.cluster);
        let look = async {
            let others = self.others(cx).await?;
            let strays = self.strays(&others, cx).await?;
            Ok((others, strays))
        };
        let (seen, (others, strays)) = match tokio::try_join!(self.look(cx), look) {
            Ok(seen) => seen,
            Err(error) => {
                cluster.adoption_unseen(&self.title(), &format!("{}: {}", error.summary, error.detail));
                return Ok(());
            }
        };
        self.check_strays(&strays, cx)?;
        let found = Found::of(seen.base.clone(), seen.istiod.clone());
        let Some(adopted) = self.adopted(&found, &others, cx)? else {
            return match found.istiod.as_ref().or(found.base.as_ref()) {
                Some(ours) if cluster.mark_of(found.releases()).is_none() => {
                    Err(managed_already(&self.cluster, &format!("the Helm release {}/{}", self.namespace(), ours.name), &self.import_of()))
                }
                None if !strays.is_empty() => {
                    cluster.announce_adoption("what is left of another control plane", &takeover::lines(&strays).collect::<Vec<_>>());
                    Ok(())
                }
                _ => Ok(()),
            };
        };
        self.check_adopted(&adopted, cx)?;
        let version = self.version(cx, adopted.version.clone());
        let seen = Seen { base: adopted.base, istiod: adopted.istiod, absent: Absent::New, ..seen };
        let mut lines: Vec<_> = others.releases.iter().map(becomes).chain(takeover::lines(&strays)).collect();
        let differences = match &others.without_helm {
            Some(istiod) if seen.base.is_none() && seen.istiod.is_none() => self.differences_without_helm(istiod, &seen, cx).await,
            _ => self.differences(&seen, version, cx).await,
        };
        match differences {
            Ok(differences) => lines.extend(differences),
            Err(error) => lines.push(format!("what can't be seen: {}: {}", error.summary, error.detail)),
        }
        cluster.announce_adoption(&self.title(), &lines);
        Ok(())
    }

    /// Refuses a control plane whose version is too far from the one that is wanted, and warns of a downgrade.
    pub(super) fn check_adopted(&self, adopted: &Found, cx: &Cx<'_, World>) -> Result<(), Error> {
        if let (Some(found), Some(wanted)) = (&adopted.version, self.version(cx, adopted.version.clone()))
            && let Some(warning) = check_step(found, &wanted)?
        {
            cx.warn(warning);
        }
        Ok(())
    }
}

fn becomes(release: &Deployed) -> String {
    let name = if release.chart == BASE_CHART { BASE_RELEASE } else { ISTIOD_RELEASE };
    format!("Helm release {}: its objects become those of the release {name}, and its history is removed", release.name)
}

/// Tells a plan what an apply takes over.
pub(super) async fn preview(planned: &ClusterModel, cx: &Cx<'_, World>) -> Result<(), Error> {
    if !adopts(planned.adopt) {
        return Ok(());
    }
    let parse = |model: &ClusterModel| Cluster::parse(model, &mut Parse::new(&mut Report::new()));
    // In a first plan the root isn't known yet.
    if let Some(spec) = parse(planned).or_else(|| parse(&ClusterModel { ca: Value::Null, ..planned.clone() })) {
        return if cx.world.clusters.is_known(&spec.cluster) { spec.preview(cx).await } else { Ok(()) };
    }
    if let Some(key) = planned.cluster.as_ref_option().and_then(|key| ClusterKey::parse(key).ok()) {
        cx.cluster(&key).adoption_unseen(&format!("the control plane of {key}"), "Attributes of the resource are known only after apply.");
    }
    Ok(())
}
