//! The mesh-wide policy of mutual TLS: a PeerAuthentication in Istio's namespace, which may also be somebody else's.

use super::Cluster;
use crate::{
    data::{Kind, ObjectRef},
    mesh::labels,
    world::World,
};
use framework::{AttributePath, Cx, Error, Prior};

impl Cluster {
    /// Sets or takes back the mesh-wide mode of mutual TLS. `may_have_one`: an interrupted create may have set it.
    pub(super) async fn apply_mtls(&self, prior: &Prior<Self>, may_have_one: bool, cx: &Cx<'_, World>) -> Result<(), Error> {
        if let Some(manifest) = self.plane.mesh_peer_authentication() {
            // The control plane was installed since the last look.
            let is_new = self.check_policy(prior, cx).await?;
            if !self.on(cx).put_own(&manifest, is_new).await? {
                return Err(self.policy_of_others());
            }
        } else if may_have_one || prior.in_place().any(|prior| prior.plane.mtls_mode.is_some()) {
            self.delete_policy(cx).await?;
        }
        Ok(())
    }

    /// The mesh-wide policy must be ours, or one that an import took over, before it is written. Returns whether there is none yet.
    pub(super) async fn check_policy(&self, prior: &Prior<Self>, cx: &Cx<'_, World>) -> Result<bool, Error> {
        if self.plane.mtls_mode.is_none() || prior.finished().is_some_and(|prior| prior.plane.mtls_mode.is_some()) {
            return Ok(false);
        }
        let takes_over = self.adopts && prior.finished().is_none();
        match self.on(cx).get(&self.peer_authentication()).await? {
            Some(live) if !labels::is_ours(&live) && !takes_over => Err(self.policy_of_others()),
            live => Ok(live.is_none()),
        }
    }

    fn policy_of_others(&self) -> Error {
        let policy = self.peer_authentication();
        Error::new(
            "Already exists",
            format!(
                "Cluster \"{}\" already has {policy}, which sets the mesh-wide mode of mutual TLS and which this resource didn't create, so it was \
                 not changed.\n\nRemove `mtls_mode` to keep the policy, or delete the policy with `kubectl -n {} delete peerauthentication {}` \
                 and apply again.",
                self.cluster,
                self.namespace(),
                policy.name
            ),
        )
        .at(AttributePath::new("mtls_mode"))
    }

    /// Deletes the mesh-wide policy if it is ours.
    pub(super) async fn delete_policy(&self, cx: &Cx<'_, World>) -> Result<(), Error> {
        let policy = self.peer_authentication();
        match self.on(cx).get_ours(&policy).await? {
            Some(live) => Ok(self.on(cx).delete_found(&live, labels::is_ours).await?),
            None => Ok(()),
        }
    }

    pub(super) fn peer_authentication(&self) -> ObjectRef {
        ObjectRef::namespaced(Kind::PEER_AUTHENTICATION, self.namespace(), "default")
    }
}

#[cfg(test)]
mod tests {
    use framework::{Deadline, Parse, Report, Resource as _};
    use serde_json::json;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::resources::testing::{cluster, model, planned, scene};

    #[tokio::test]
    async fn a_policy_that_changes_hands_during_its_removal_stays() {
        let scene = scene();
        let planned = model(&planned::<Cluster>(cluster()));
        let spec = Cluster::parse(&planned, &mut Parse::new(&mut Report::new())).expect("valid");
        let cx = Cx::new(&scene.world, Deadline::after(std::time::Duration::from_secs(1), CancellationToken::new()));
        let policy = |labels: serde_json::Value| {
            json!({
                "apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication",
                "metadata": {"name": "default", "namespace": "istio-system", "labels": labels},
            })
        };
        let ours = policy(json!({labels::MANAGED_BY: crate::data::MANAGER}));
        scene.objects.put("eu", ours.clone());
        scene.objects.change_after_look("eu", policy(json!({"team": "other"})));
        spec.delete_policy(&cx).await.expect("nothing to delete");
        assert!(scene.objects.live("eu", &spec.peer_authentication()).is_some());
        scene.objects.put("eu", ours);
        spec.delete_policy(&cx).await.expect("deleted");
        assert!(scene.objects.live("eu", &spec.peer_authentication()).is_none());
    }
}
