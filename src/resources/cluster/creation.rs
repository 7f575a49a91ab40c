//! Going on with a control plane of which an interrupted create has left a part.

use super::Cluster;
use crate::{
    data::Deployed,
    mesh::helm::control_plane::{BASE_RELEASE, ISTIOD_RELEASE},
    world::{ClusterAccess as _, World},
};
use framework::{Cx, Error, Prior};

/// What an apply starts from.
pub(super) struct Found {
    pub(super) base: Option<Deployed>,
    /// The state has no object: an interrupted create has left what there is, maybe with other inputs.
    pub(super) is_left: bool,
}

impl Cluster {
    /// Looks for the releases that this resource may go on with. Where the state has no object, only an interrupted create can have left any.
    pub(super) async fn own_releases(&self, prior: &Prior<Self>, cx: &Cx<'_, World>) -> Result<Found, Error> {
        let cluster = cx.cluster(&self.cluster);
        loop {
            let (base, istiod) = tokio::try_join!(self.release(BASE_RELEASE, cx), self.release(ISTIOD_RELEASE, cx))?;
            let Some(newest) = istiod.as_ref().or(base.as_ref()).filter(|_| prior.is_none()) else {
                return Ok(Found { base, is_left: false });
            };
            let object = format!("the Helm release {}/{}", self.namespace(), newest.name);
            let import = || format!("mesh_cluster.<name> {}/{}", self.cluster, self.namespace());
            if cluster.takes_up(&object, cluster.mark_of(base.iter().chain(&istiod)), import).await? {
                return Ok(Found { base, is_left: true });
            }
        }
    }

    /// Removes the marks, that of `istio-base` last: as long as it has one, the create is unfinished.
    pub(super) async fn finish(&self, base: &Deployed, cx: &Cx<'_, World>) -> Result<(), Error> {
        if base.mark.is_some() {
            for release in [ISTIOD_RELEASE, BASE_RELEASE] {
                self.on(cx).unmark_release(self.namespace(), release).await?;
            }
        }
        Ok(())
    }
}
