//! Compares a control plane with what there is: its releases with their objects, the root that istiod serves, the namespace, and the mesh-wide
//! policy.

use std::fmt;

use serde_json::{Value as Json, json};

use super::Cluster;
use crate::{
    data::{Deployed, Kind, ObjectRef, Release},
    mesh::{
        ControlPlane,
        helm::control_plane::{BASE_RELEASE, ISTIOD_RELEASE},
        observe::{
            drift::{differences, own_differences},
            operator,
        },
    },
    world::{World, release_drift},
};
use framework::{Cx, Error};

/// What a cluster has of a control plane.
pub(super) struct Seen {
    pub(super) base: Option<Deployed>,
    pub(super) istiod: Option<Deployed>,
    pub(super) canary: Option<Deployed>,
    pub(super) namespace: Option<Json>,
    pub(super) policy: Option<Json>,
    pub(super) absent: Absent,
}

/// Why a release or an object isn't there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    /// It was, and somebody has deleted it.
    Gone,
    /// It never was: an apply that takes over the rest creates it.
    New,
}

impl Absent {
    fn line(self, object: impl fmt::Display) -> String {
        match self {
            Self::Gone => format!("{object}: it is gone"),
            Self::New => format!("{object}: nothing found, it will be created"),
        }
    }
}

/// A release with the values that its chart assumes.
pub(super) fn explicit(release: Deployed) -> Deployed {
    Deployed { values: ControlPlane::explicit(&release.values), ..release }
}

impl Cluster {
    pub(super) async fn look(&self, cx: &Cx<'_, World>) -> Result<Seen, Error> {
        let namespace = ObjectRef::cluster_wide(Kind::NAMESPACE, self.namespace());
        let (base, istiod, canary, namespace, policy) = tokio::try_join!(
            self.release(BASE_RELEASE, cx),
            self.release(ISTIOD_RELEASE, cx),
            async {
                match &self.canary {
                    Some(canary) => self.release(&canary.release_name(), cx).await,
                    None => Ok(None),
                }
            },
            async { self.on(cx).get(&namespace).await.map_err(Error::from) },
            async { self.on(cx).get(&self.peer_authentication()).await.map_err(Error::from) },
        )?;
        let [base, istiod, canary] = [base, istiod, canary].map(|release| release.map(explicit));
        Ok(Seen { base, istiod, canary, namespace, policy, absent: Absent::Gone })
    }

    /// Returns the control plane to install. An istiod that serves the right root, and `is_unmarked`, isn't restarted for the annotation with it.
    pub(super) fn plane_beside(&self, is_unmarked: bool, serves_the_root: bool) -> ControlPlane {
        let root = self.plane.root.clone().filter(|_| !(is_unmarked && serves_the_root));
        ControlPlane { root, ..self.plane.clone() }
    }

    /// Returns how what was seen differs from what is wanted, one line each. `version` is the one that is set, if one is.
    pub(super) async fn differences(&self, seen: &Seen, version: Option<String>, cx: &Cx<'_, World>) -> Result<Vec<String>, Error> {
        // All are of one version where none is set.
        let own_version = version.clone().or_else(|| seen.istiod.as_ref().map(|istiod| istiod.version.clone()));
        let other_root = self.other_root(cx).await?;
        let is_unmarked = seen.istiod.as_ref().is_some_and(|istiod| !ControlPlane::is_for_a_root(&istiod.values));
        let plane = self.plane_beside(is_unmarked, other_root.is_none());
        let (wanted_base, wanted_istiod) = (plane.base_release(self.version_of_base(own_version.clone())), plane.istiod_release(version));
        let wanted_canary = self.wanted_canary(&plane, own_version);
        let (base_drift, istiod_drift, canary_drift) = tokio::try_join!(
            self.drift_of(&wanted_base, seen.base.as_ref(), seen.absent, cx),
            self.drift_of(&wanted_istiod, seen.istiod.as_ref(), seen.absent, cx),
            async {
                match &wanted_canary {
                    Some(wanted) => self.drift_of(wanted, seen.canary.as_ref(), seen.absent, cx).await,
                    None => Ok(Vec::new()),
                }
            },
        )?;
        Ok([base_drift, istiod_drift, canary_drift, self.differences_beside(seen, other_root)].concat())
    }

    async fn drift_of(&self, wanted: &Release, live: Option<&Deployed>, absent: Absent, cx: &Cx<'_, World>) -> Result<Vec<String>, Error> {
        match live {
            Some(live) => release_drift(self.on(cx), wanted, live, &self.ignored).await,
            None => Ok(vec![absent.line(format!("Helm release {}", wanted.name))]),
        }
    }

    /// Returns how that differs which no release has: the root that istiod signs with, the namespace, and the mesh-wide policy.
    fn differences_beside(&self, seen: &Seen, other_root: Option<String>) -> Vec<String> {
        let mut lines = Vec::new();
        if let (Some(wanted), Some(found)) = (&self.plane.root, other_root) {
            let wanted = std::iter::once(wanted).chain(&self.plane.further_roots).map(String::as_str).collect::<Vec<_>>().join(", ");
            lines.push(format!("istiod: it signs with the root {found}, {wanted} wanted"));
        }
        let labels = json!({"metadata": {"labels": self.namespace_labels(), "annotations": self.metadata.annotations}});
        let live = seen.namespace.clone().unwrap_or_default();
        lines.extend(differences(&labels, &live).into_iter().map(|line| format!("Namespace {}: {line}", self.namespace())));
        if let Some(wanted) = self.plane.mesh_peer_authentication() {
            match &seen.policy {
                Some(live) => {
                    lines.extend(own_differences(&wanted, live).into_iter().map(|line| format!("{}: {line}", self.peer_authentication())));
                }
                None => lines.push(seen.absent.line(self.peer_authentication())),
            }
        }
        lines
    }

    /// Returns how a control plane without releases differs from what is wanted, as far as that shows without rendering a chart.
    pub(super) async fn differences_without_helm(&self, istiod: &Json, seen: &Seen, cx: &Cx<'_, World>) -> Result<Vec<String>, Error> {
        let config = ObjectRef::namespaced(Kind::CONFIG_MAP, self.namespace(), "istio");
        let (config, other_root) = tokio::try_join!(self.on(cx).get(&config), self.other_root(cx))?;
        let mut lines = operator::differences(&self.plane, istiod, &config.unwrap_or_default());
        lines.extend(self.differences_beside(seen, other_root));
        lines.push(format!(
            "all objects: they become part of the Helm releases {BASE_RELEASE} and {ISTIOD_RELEASE}, and are set to what the charts say. The plan \
             doesn't run Helm, so it can't show that: compare the output of `helm template` with the cluster by `kubectl diff`"
        ));
        Ok(lines)
    }
}
