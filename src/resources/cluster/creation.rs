//! What a create starts from: nothing, what an interrupted create has left, or a control plane of others that it takes over.

use super::Cluster;
use crate::{
    data::Deployed,
    mesh::{
        Canary, ControlPlane,
        helm::control_plane::{BASE_RELEASE, ISTIOD_RELEASE},
    },
    world::{ClusterAccess as _, World, adoptable},
};
use framework::{Cx, Error, Prior};

/// What an apply starts from.
#[derive(Default)]
pub(super) struct Found {
    pub(super) base: Option<Deployed>,
    pub(super) istiod: Option<Deployed>,
    /// The version of Istio that is installed.
    pub(super) version: Option<String>,
    /// The state has no object: an interrupted create has left what there is, maybe with other inputs.
    pub(super) is_left: bool,
    /// The state has no object, and what there is isn't this provider's.
    pub(super) is_adopted: bool,
}

impl Found {
    /// What the releases show.
    pub(super) fn of(base: Option<Deployed>, istiod: Option<Deployed>) -> Self {
        // A canary's version is also that of `istio-base`.
        let version = istiod.as_ref().or(base.as_ref()).map(|installed| installed.version.clone());
        Self { base, istiod, version, ..Self::default() }
    }

    /// Whether there is an istiod that wasn't installed for a root.
    pub(super) fn is_unmarked(&self) -> bool {
        self.istiod.as_ref().map_or(self.is_adopted, |istiod| !ControlPlane::is_for_a_root(&istiod.values))
    }

    pub(super) fn releases(&self) -> impl Iterator<Item = &Deployed> {
        self.base.iter().chain(&self.istiod)
    }
}

impl Cluster {
    /// Looks for the releases that this resource may go on with. Where the state has no object, these are what an interrupted create has left,
    /// or with `adopt` those of others.
    pub(super) async fn own_releases(&self, prior: &Prior<Self>, cx: &Cx<'_, World>) -> Result<Found, Error> {
        loop {
            let (base, istiod) = tokio::try_join!(self.release(BASE_RELEASE, cx), self.release(ISTIOD_RELEASE, cx))?;
            let found = Found::of(base, istiod);
            if !prior.is_none() {
                return Ok(found);
            }
            if self.adopts {
                let others = self.others(cx).await?;
                // The plan may have seen something else, or nothing.
                self.check_strays(&self.strays(&others, cx).await?, cx)?;
                if let Some(adopted) = self.adopted(&found, &others, cx)? {
                    self.check_adopted(&adopted, cx)?;
                    return Ok(adopted);
                }
            }
            let Some(newest) = found.istiod.as_ref().or(found.base.as_ref()) else { return Ok(found) };
            let object = format!("the Helm release {}/{}", self.namespace(), newest.name);
            let import = || self.import_of();
            if cx.cluster(&self.cluster).are_of_others(found.releases()) {
                return Err(adoptable(&self.cluster, &object, &import()));
            }
            let mark = cx.cluster(&self.cluster).mark_of(found.releases());
            if cx.cluster(&self.cluster).takes_up(&object, mark, import).await? {
                return Ok(Found { is_left: true, ..found });
            }
        }
    }

    /// Returns how to import the control plane.
    pub(super) fn import_of(&self) -> String {
        format!("mesh_cluster.<name> {}/{}", self.cluster, self.namespace())
    }

    /// Removes the marks, that of `istio-base` last: as long as it has one, the create is unfinished.
    pub(super) async fn finish(&self, base: &Deployed, cx: &Cx<'_, World>) -> Result<(), Error> {
        if base.mark.is_some() {
            let canary = self.canary.as_ref().map(Canary::release_name);
            for release in canary.as_deref().into_iter().chain([ISTIOD_RELEASE, BASE_RELEASE]) {
                self.on(cx).unmark_release(self.namespace(), release).await?;
            }
        }
        Ok(())
    }
}
