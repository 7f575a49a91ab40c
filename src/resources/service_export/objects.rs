//! Finds, writes and removes the objects of an export in its clusters. A failure in one cluster doesn't stop the work in the others.

use std::collections::BTreeSet;

use futures::future::{join_all, try_join_all};
use serde_json::Value as Json;

use super::{
    super::new_objects::NewObjects,
    ServiceExport,
    creation::{is_entry, manifests},
};
use crate::{
    data::{Kind, ObjectRef},
    mesh::{ClusterKey, Export, Namespace, export::ExportId, labels},
    ports::{Failure, FailureKind},
    world::{ClusterAccess, Creation, LiveCluster, World},
};
use framework::{AttributePath, Cx, Error, Prior};

/// An object that the export may have: its manifest, if it must exist, and the live object. One that must not exist is seen only if it is ours.
pub(super) struct Seen {
    pub(super) object: ObjectRef,
    pub(super) wanted: Option<Json>,
    pub(super) live: Option<Json>,
}

/// The clusters that an apply may write to, the objects that must not exist there yet, and the failures of those that couldn't be read.
#[derive(Default)]
pub(super) struct Claim {
    pub(super) clusters: Vec<ClusterKey>,
    pub(super) new: NewObjects,
    pub(super) failures: Vec<Failure>,
}

impl ServiceExport {
    /// Returns every object that this export may have, with its cluster.
    pub(super) fn objects(&self) -> Vec<(ClusterKey, ObjectRef)> {
        self.id.objects(&self.request)
    }

    /// Looks at every object that the export may have in a cluster.
    pub(super) async fn look(&self, export: &Export, cluster: &ClusterKey, cx: &Cx<'_, World>) -> Result<Vec<Seen>, Failure> {
        let manifests = export.manifests(cluster);
        let objects = self.objects().into_iter().filter(|(member, _)| member == cluster).map(|(_, object)| object);
        let looks = objects.map(|object| {
            let wanted = manifests.iter().find(|manifest| ObjectRef::of(manifest, "").as_ref() == Some(&object)).cloned();
            async move { Ok(Seen { live: cx.cluster(cluster).get_for(&object, wanted.as_ref()).await?, object, wanted }) }
        });
        try_join_all(looks).await
    }

    /// Checks that no object of another owner is overwritten: objects that no finished apply has made must not exist. An importer that can't be
    /// read isn't written to.
    pub(super) async fn claim(&self, export: &Export, prior: &Prior<Self>, cx: &Cx<'_, World>) -> Result<Claim, Error> {
        let had = &prior.finished().into_iter().flat_map(Self::objects).collect::<Vec<_>>();
        let looks = export.members().map(|cluster| async move {
            let new: Vec<_> = references(export, cluster).filter(|object| !had.contains(&(cluster.clone(), object.clone()))).collect();
            (cluster, self.vacant(cluster, &new, prior, cx).await)
        });
        let mut claim = Claim::default();
        for (cluster, found) in join_all(looks).await {
            match found {
                Ok(Ok(vacant)) => {
                    claim.clusters.push(cluster.clone());
                    claim.new.add(cluster, vacant);
                }
                Ok(Err(live)) => return Err(self.conflict(cluster, &live, cx).await),
                Err(failure) if *cluster == self.id.exporter => return Err(failure.into()),
                Err(failure) => claim.failures.push(failure),
            }
        }
        Ok(claim)
    }

    /// Returns which of the new objects a cluster doesn't have yet; or an object that conflicts with them: one with the same name, or of another
    /// export of the host.
    async fn vacant(
        &self,
        cluster: &ClusterKey,
        new: &[ObjectRef],
        prior: &Prior<Self>,
        cx: &Cx<'_, World>,
    ) -> Result<Result<Vec<ObjectRef>, Json>, Failure> {
        if new.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        // Objects that a failed apply left are the export's own.
        let own: BTreeSet<_> = prior.in_place().chain([self]).map(|export| &export.id.exporter).collect();
        let is_own = |live: &Json| !prior.is_none() && labels::exporter_of(live).is_some_and(|exporter| own.contains(&exporter));
        let live = cx.cluster(cluster);
        let looks = new.iter().map(|object| async move { if live.may_have(object).await? { live.get(object).await } else { Ok(None) } });
        let found = try_join_all(looks).await?;
        if let Some(live) = found.iter().flatten().find(|live| !is_own(live)) {
            return Ok(Err(live.clone()));
        }
        // One look answers for all exports that are created; what it finds may be gone by now.
        let entries = cx.cluster(cluster).shared().list(Kind::SERVICE_ENTRY, None, &labels::exports_of(&self.id.host)).await?;
        for object in entries.iter().filter(|live| !is_own(live)).filter_map(|live| ObjectRef::of(live, "")) {
            if let Some(live) = cx.cluster(cluster).get(&object).await?.filter(|live| !is_own(live)) {
                return Ok(Err(live));
            }
        }
        Ok(Ok(new.iter().zip(&found).filter(|(_, live)| live.is_none()).map(|(object, _)| object.clone()).collect()))
    }

    /// Returns the error about a conflicting object. It names the export that the object belongs to.
    async fn conflict(&self, cluster: &ClusterKey, live: &Json, cx: &Cx<'_, World>) -> Error {
        let object = ObjectRef::of(live, "").map(|object| object.to_string()).unwrap_or_default();
        let already = format!("Cluster \"{cluster}\" already has {object}, which this resource didn't create, so it was left as it is.");
        let (other, advice) = match self.owner(live, cx).await {
            Some(other) => (
                format!(" It belongs to the export `{other}`."),
                format!(
                    "To manage that export here, run `terraform import mesh_service_export.<name> {other}` (or `tofu import`). To have a second \
                     export, choose another `host`: a cluster can have a host once only."
                ),
            ),
            None if object.starts_with(Kind::SERVICE_EXPORT.kind) => {
                (String::new(), "Remove it, or leave `mcs_service_export` out: one ServiceExport is enough.".to_owned())
            }
            None => (String::new(), "Remove the object, or choose another `host`.".to_owned()),
        };
        Error::new("Already exists", format!("{already}{other}\n\n{advice}")).at(AttributePath::new("host"))
    }

    /// Finds out which export an object of ours belongs to.
    async fn owner(&self, live: &Json, cx: &Cx<'_, World>) -> Option<ExportId> {
        let exporter = labels::exporter_of(live).filter(|_| labels::is_ours(live))?;
        let selector = ExportId { exporter: exporter.clone(), ..self.id.clone() }.selector();
        let entries = cx.cluster(&exporter).list(Kind::SERVICE_ENTRY, None, &selector).await.ok()?;
        let namespace = Namespace::parse(entries.first()?["metadata"]["namespace"].as_str()?).ok()?;
        Some(ExportId { exporter, namespace, host: self.id.host.clone() })
    }

    /// Writes the export's objects, the exporter's first, so that no client is routed to a gateway that is closed. Unless the gateway was open
    /// before, the importers are written only if that succeeds. If another gateway was, it is open until the importers call the new one.
    pub(super) async fn write(
        &self,
        export: &Export,
        mut claim: Claim,
        prior: &Prior<Self>,
        creation: Option<&Creation>,
        cx: &Cx<'_, World>,
    ) -> Vec<Failure> {
        let mut failures = std::mem::take(&mut claim.failures);
        let claim = &claim;
        let exporter = &self.id.exporter;
        let importers: Vec<_> = claim.clusters.iter().filter(|cluster| *cluster != exporter).collect();
        let was_open = prior.finished().is_some_and(|prior| prior.has_gateway_of(self));
        let moves = !was_open && prior.finished().is_some() && !importers.is_empty();
        let wanted = self.to_write(export, exporter, creation);
        let opened = match prior.finished() {
            // One Gateway can't select both.
            Some(prior) if moves && prior.has_gateway_object_of(self) => {
                write_all(cx.cluster(exporter), &self.on_next_gateway(&wanted), |manifest| claim.new.contain(exporter, manifest)).await
            }
            _ => write_all(cx.cluster(exporter), &wanted, |manifest| claim.new.contain(exporter, manifest)).await,
        };
        if moves {
            World::propagated(cx).await;
        }
        let is_open = opened.is_empty() || was_open;
        failures.extend(opened);
        if is_open {
            let writes = importers.into_iter().map(|cluster| async move {
                let manifests = self.to_write(export, cluster, creation);
                write_all(cx.cluster(cluster), &manifests, |manifest| claim.new.contain(cluster, manifest)).await
            });
            failures.extend(join_all(writes).await.concat());
        }
        if moves && failures.is_empty() {
            World::propagated(cx).await;
            failures.extend(write_all(cx.cluster(exporter), &wanted, |_| false).await);
        }
        failures
    }

    /// Returns the exporter's manifests with a Gateway beside the one that opens the host on the former gateway.
    fn on_next_gateway(&self, wanted: &[Json]) -> Vec<Json> {
        let mut both = wanted.to_vec();
        for manifest in both.iter_mut().filter(|manifest| Kind::of(manifest) == Some(Kind::GATEWAY)) {
            manifest["metadata"]["name"] = self.id.next_gateway_name().into();
        }
        both
    }

    /// Returns the manifests of a cluster, without the exporter's ServiceEntry where a create has begun with that.
    fn to_write(&self, export: &Export, cluster: &ClusterKey, creation: Option<&Creation>) -> Vec<Json> {
        let has_entry = creation.is_some() && *cluster == self.id.exporter;
        let manifests = manifests(export, cluster, creation).into_iter();
        manifests.filter(|manifest| !(has_entry && is_entry(manifest))).collect()
    }

    /// Removes everything of the export in a cluster, found by its labels.
    pub(super) async fn remove_all(&self, cluster: &ClusterKey, cx: &Cx<'_, World>) -> Vec<Failure> {
        let selector = self.id.selector();
        let (live, selector) = (cx.cluster(cluster), &selector);
        if live.leaves_behind(&format!("the objects with the labels {selector}")).await {
            return Vec::new();
        }
        let remove = |kind| live.delete_all(kind, selector);
        // Without one, neither the permission nor the definition is needed.
        let mcs = (self.request.mcs_service_export && *cluster == self.id.exporter).then_some(Kind::SERVICE_EXPORT);
        let open = [Kind::GATEWAY, Kind::DESTINATION_RULE, Kind::SERVICE_ENTRY].into_iter().chain(mcs);
        let failures: Vec<_> = join_all(open.map(remove)).await.into_iter().filter_map(Result::err).collect();
        if !failures.is_empty() || *cluster != self.id.exporter {
            return failures;
        }
        // The host is closed before anybody may call.
        remove(Kind::AUTHORIZATION_POLICY).await.err().into_iter().collect()
    }
}

/// Removes the objects of prior configurations, those of applies that failed included, that `export` doesn't have, if they are ours. A cluster
/// that was removed from the provider's configuration is skipped; the plan has warned about it.
pub(super) async fn remove_obsolete(prior: &Prior<ServiceExport>, export: &Export, cx: &Cx<'_, World>) -> Vec<Failure> {
    let kept: Vec<_> = export.members().flat_map(|member| references(export, member).map(move |object| (member.clone(), object))).collect();
    let obsolete = prior.in_place().flat_map(ServiceExport::objects).filter(|object| !kept.contains(object));
    let configured: Vec<_> = obsolete.filter(|(cluster, _)| cx.world.clusters.problem(cluster).is_none()).collect();
    let removals = configured.iter().map(|(cluster, object)| async {
        let live = cx.cluster(cluster);
        if live.leaves_behind(&object.to_string()).await {
            return Ok(());
        }
        match live.get_ours(object).await? {
            Some(found) if !is_kept(&found, object, &kept, cx).await? => live.delete_found(&found, labels::is_ours).await,
            _ => Ok(()),
        }
    });
    join_all(removals).await.into_iter().filter_map(Result::err).collect()
}

/// Returns whether a live object is one that the export keeps in a cluster of another key.
async fn is_kept(live: &Json, object: &ObjectRef, kept: &[(ClusterKey, ObjectRef)], cx: &Cx<'_, World>) -> Result<bool, Failure> {
    for (cluster, _) in kept.iter().filter(|(_, kept)| kept == object) {
        if cx.cluster(cluster).holds(object, live).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// References of the objects that an export has in a cluster.
fn references<'a>(export: &Export, cluster: &'a ClusterKey) -> impl Iterator<Item = ObjectRef> + 'a {
    export.manifests(cluster).into_iter().filter_map(|manifest| ObjectRef::of(&manifest, ""))
}

/// Writes objects, the policies first: a gateway isn't opened before it is settled who may call. Those that are new must not exist.
pub(in crate::resources) async fn write_all(cluster: LiveCluster<'_>, manifests: &[Json], is_new: impl Fn(&Json) -> bool) -> Vec<Failure> {
    let (policies, others): (Vec<_>, Vec<_>) =
        manifests.iter().partition(|manifest| Kind::of(manifest) == Some(Kind::AUTHORIZATION_POLICY));
    for policies_or_others in [policies, others] {
        let writes = policies_or_others.into_iter().map(|manifest| write(cluster, manifest, is_new(manifest)));
        let failures: Vec<_> = join_all(writes).await.into_iter().filter_map(Result::err).collect();
        if !failures.is_empty() {
            return failures;
        }
    }
    Vec::new()
}

async fn write(cluster: LiveCluster<'_>, manifest: &Json, is_new: bool) -> Result<(), Failure> {
    if cluster.put_own(manifest, is_new).await? {
        return Ok(());
    }
    let object = ObjectRef::of(manifest, "").map(|object| object.to_string()).unwrap_or_default();
    let why = format!("Somebody else has created {object} in cluster \"{}\" during this apply, so it was left as it is.", cluster.key);
    Err(Failure::new(FailureKind::Conflict, "Already exists", why).advice("Remove the object, or choose another `host`, and apply again."))
}
