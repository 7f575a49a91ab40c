//! A root that is lost, damaged or swapped while the mesh still trusts it: how it is noticed, and what can be done.

use super::{Location, RootCa};
use crate::{
    data::{Certificate, Kind},
    mesh::{labels::Owner, trust},
    world::{ClusterAccess, World, listing::name_of},
};
use framework::{Cx, Error};

/// The Secret of a root, as it is.
pub(super) enum Found {
    /// There is none.
    Missing,
    /// It holds the root that the state knows, or the state knows none.
    Root(Certificate),
    /// It holds something else.
    Wrong(String),
}

impl Location {
    /// Reads the root, and compares it with the fingerprint that the state knows.
    pub(super) async fn find(&self, known: Option<&str>, cx: &Cx<'_, World>) -> Result<Found, Error> {
        let Some(secret) = cx.cluster(&self.cluster).get(&self.secret()).await? else { return Ok(Found::Missing) };
        let root = match trust::read_root_secret(&secret) {
            Ok(root) => root,
            Err(problem) => return Ok(Found::Wrong(problem)),
        };
        let authority = &cx.world.authority;
        Ok(match authority.inspect(&root.certificate) {
            Err(failure) => Found::Wrong(failure.why),
            Ok(facts) if known.is_some_and(|known| known != facts.fingerprint) => {
                Found::Wrong(format!("it holds another root, \"{}\", with the fingerprint {}", facts.subject.text, facts.fingerprint))
            }
            Ok(_) if !authority.key_matches(&root.certificate, &root.key).unwrap_or_default() => {
                Found::Wrong("its key tls.key doesn't belong to tls.crt".to_owned())
            }
            Ok(_) => Found::Root(root),
        })
    }
}

impl RootCa {
    /// The clusters whose CA leads to the root, among all that are configured. Which they are must be certain.
    pub(super) async fn dependents(&self, cx: &Cx<'_, World>) -> Result<Vec<String>, Error> {
        let Some(known) = &self.known else { return Ok(Vec::new()) };
        let mut dependents = Vec::new();
        for cluster in cx.world.clusters.reachable() {
            if cx.cluster(&cluster).loss().await.is_some() {
                continue;
            }
            for secret in cx.cluster(&cluster).list(Kind::SECRET, None, &Owner::ClusterCa.selector()).await? {
                let Ok(bundle) = trust::read_cacerts(&secret) else { continue };
                let roots = cx.world.authority.inspect_all(&bundle.roots).unwrap_or_default();
                if roots.iter().any(|root| root.fingerprint == *known) {
                    dependents.push(format!("{} of cluster \"{cluster}\"", name_of(&secret)));
                }
            }
        }
        Ok(dependents)
    }

    /// The error of an apply that would have to make a new root without being asked to.
    pub(super) fn lost(&self, problem: &str) -> Error {
        Error::new(
            "The root CA is lost",
            format!(
                "{} of cluster \"{}\" doesn't hold the mesh's root any more: {problem}. A new root would break the calls between clusters, so none \
                 was created.\n\nTo restore it from a backup, set `existing_certificate` and `existing_private_key_wo`. To continue with a new root, \
                 change `rotation`.",
                self.location.secret(),
                self.location.cluster
            ),
        )
    }
}
