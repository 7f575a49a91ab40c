//! Finds, writes and removes the objects of a global service in its clusters. A failure in one cluster doesn't stop the work in the others.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::{join_all, try_join_all};
use serde_json::Value as Json;

use super::{GlobalService, GlobalServiceStatus, resolve::Resolved};
use crate::{
    data::{Kind, ObjectRef, selects},
    mesh::{
        ClusterKey,
        global::{Global, Request},
        labels,
        observe::drift::own_differences,
    },
    ports::Failure,
    resources::{
        new_objects::NewObjects,
        service_export::{
            network::{has_link, no_link},
            objects::write_all,
        },
    },
    world::{ClusterAccess, Creation, World, marked},
};
use framework::{AttributePath, Cx, Error, Observed, Prior, Reached};

/// The clusters that an apply may write to, and the failures of those that couldn't be read.
pub(super) struct Claim {
    pub(super) clusters: Vec<ClusterKey>,
    new: NewObjects,
    failures: BTreeMap<ClusterKey, Failure>,
}

impl GlobalService {
    fn objects(&self, cluster: &ClusterKey) -> Vec<ObjectRef> {
        self.id.objects(&self.request, cluster)
    }

    /// Whether an object belongs to this service.
    fn is_own(&self, live: &Json) -> bool {
        let is_here = Kind::of(live) == Some(Kind::GATEWAY) || live["metadata"]["namespace"] == self.id.namespace.as_str();
        is_here && selects(&self.id.selector(), live)
    }

    /// Returns what an interrupted create of this service has left, with the inputs that it had.
    pub(super) async fn left(&self, cx: &Cx<'_, World>) -> Result<Option<Prior<Self>>, Error> {
        let Some(home) = self.request.home() else { return Ok(None) };
        let found = cx.cluster(home).get(&self.id.rule()).await?;
        if found.is_none() {
            return Ok(None);
        }
        let live = cx.cluster(home).left(&self.id.rule(), || self.import_id()).await?;
        let request = live.as_ref().and_then(|live| Request::read(live).ok()).unwrap_or_else(|| self.request.clone());
        Ok(live.map(|_| Prior::none().and_attempted(Self { id: self.id.clone(), request })))
    }

    /// Checks that no object of another owner is overwritten, and that no other resource of this provider has the host. A cluster that can't be
    /// read isn't written to.
    pub(super) async fn claim(
        &self,
        global: &Global,
        prior: &Prior<Self>,
        unseen: BTreeMap<ClusterKey, Failure>,
        cx: &Cx<'_, World>,
    ) -> Result<Claim, Error> {
        let clusters = self.request.members.keys().filter(|key| !unseen.contains_key(key));
        let looks = clusters.map(|cluster| async move { (cluster, self.vacant(cluster, global, prior, cx).await) });
        let mut claim = Claim { clusters: Vec::new(), new: NewObjects::default(), failures: BTreeMap::new() };
        for (cluster, found) in join_all(looks).await {
            match found {
                Ok(Ok(vacant)) => {
                    claim.clusters.push(cluster.clone());
                    claim.new.add(cluster, vacant);
                }
                Ok(Err(live)) => return Err(self.conflict(cluster, &live)),
                Err(failure) => _ = claim.failures.insert(cluster.clone(), failure),
            }
        }
        claim.failures.extend(unseen);
        Ok(claim)
    }

    /// Returns which of the new objects a cluster doesn't have yet; or an object that conflicts with them: one with the same name, or a ServiceEntry
    /// of another resource for the host.
    async fn vacant(
        &self,
        cluster: &ClusterKey,
        global: &Global,
        prior: &Prior<Self>,
        cx: &Cx<'_, World>,
    ) -> Result<Result<Vec<ObjectRef>, Json>, Failure> {
        let had: Vec<_> = prior.finished().into_iter().flat_map(|prior| prior.objects(cluster)).collect();
        let wanted = global.manifests(cluster).into_iter().filter_map(|manifest| ObjectRef::of(&manifest, ""));
        let new: Vec<_> = wanted.filter(|object| !had.contains(object)).collect();
        if new.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        let live = cx.cluster(cluster);
        let is_own = |found: &Json| !prior.is_none() && self.is_own(found);
        let found = try_join_all(new.iter().map(|object| live.get(object))).await?;
        if let Some(found) = found.iter().flatten().find(|found| !is_own(found)) {
            return Ok(Err(found.clone()));
        }
        // One look answers for all hosts that are created; what it finds may be gone by now.
        let entries = live.shared().list(Kind::SERVICE_ENTRY, None, &labels::exports_of(&self.id.host)).await?;
        for object in entries.iter().filter(|found| !is_own(found)).filter_map(|found| ObjectRef::of(found, "")) {
            if let Some(found) = live.get(&object).await?.filter(|found| !is_own(found)) {
                return Ok(Err(found));
            }
        }
        Ok(Ok(new.into_iter().zip(found).filter(|(_, found)| found.is_none()).map(|(object, _)| object).collect()))
    }

    fn conflict(&self, cluster: &ClusterKey, live: &Json) -> Error {
        let object = ObjectRef::of(live, "").map(|object| object.to_string()).unwrap_or_default();
        let advice = if self.is_own(live) {
            format!(
                "It belongs to a global service. To manage that one here, run `terraform import {}` (or `tofu import`).",
                self.import_id()
            )
        } else if labels::is_ours(live) {
            "It belongs to another resource of this provider for the same host: a mesh_service_export, a mesh_service_import or a mesh_global_service. \
             Destroy that one first, or choose another `host`: a cluster can have a host once only."
                .to_owned()
        } else {
            "Remove the object, or choose another `host`.".to_owned()
        };
        let already = format!("Cluster \"{cluster}\" already has {object}, which this resource didn't create, so it was left as it is.");
        Error::new("Already exists", format!("{already}\n\n{advice}")).at(AttributePath::new("host"))
    }

    /// Begins a create. It needs the first cluster, whose rule has its mark; without that cluster nothing is created.
    pub(super) async fn begin(&self, claim: &Claim, prior: &Prior<Self>, cx: &Cx<'_, World>) -> Result<Option<Creation>, Error> {
        let Some(home) = self.request.home() else { return Ok(None) };
        let creation = Creation::begin(home, prior, cx).await;
        match claim.failures.get(home) {
            Some(failure) if creation.is_some() => Err(failure.clone().into()),
            _ => Ok(creation),
        }
    }

    /// Writes the rule of the first cluster with the mark of a create, before anything else.
    pub(super) async fn mark(
        &self,
        global: &Global,
        claim: &Claim,
        creation: &Creation,
        reached: &mut Reached<GlobalServiceStatus>,
        cx: &Cx<'_, World>,
    ) -> Result<(), Error> {
        let Some(home) = self.request.home() else { return Ok(()) };
        for rule in global.own_manifests(home).into_iter().filter(is_rule) {
            let is_new = claim.new.contain(home, &rule);
            cx.cluster(home).put_first(&marked(rule, Some(creation)), is_new, reached, || self.import_id()).await?;
        }
        Ok(())
    }

    /// Warns of clusters that have no way to the network of another one.
    pub(super) async fn warn_of_missing_links(&self, clusters: &[ClusterKey], cx: &Cx<'_, World>) {
        let ways = clusters.iter().flat_map(|from| {
            let others = self.request.serving().filter(move |(key, _)| *key != from);
            others.map(move |(_, member)| (from, &member.network))
        });
        let looks =
            ways.map(|(from, network)| async move { (!has_link(from, network, cx).await).then(|| no_link(&self.id.host, from, network)) });
        for mut warning in join_all(looks).await.into_iter().flatten() {
            warning.detail.push_str(" Let this resource wait for it with `depends_on`.");
            cx.warn(warning.at(AttributePath::new("gateways")));
        }
    }

    /// Writes the objects: in all clusters first those that let the host in, then those that lead to other clusters. So no client is sent to a
    /// gateway that is closed.
    pub(super) async fn write(
        &self,
        global: &Global,
        claim: Claim,
        prior: &Prior<Self>,
        creation: Option<&Creation>,
        cx: &Cx<'_, World>,
    ) -> Vec<Failure> {
        let Claim { clusters, new, failures } = claim;
        let new = &new;
        let has_rule = |cluster: &ClusterKey| creation.is_some() && self.request.home() == Some(cluster);
        let opened = join_all(clusters.iter().map(|cluster| async move {
            let mut manifests = global.own_manifests(cluster);
            manifests.retain(|manifest| !(has_rule(cluster) && is_rule(manifest)));
            (cluster, write_all(cx.cluster(cluster), &manifests, |manifest| new.contain(cluster, manifest)).await)
        }))
        .await;
        let open: BTreeSet<_> = opened.iter().filter(|(_, failures)| failures.is_empty()).map(|(cluster, _)| (*cluster).clone()).collect();
        let was_open = |cluster: &ClusterKey| prior.finished().is_some_and(|prior| prior.request.serves(cluster));
        let is_open = |cluster: &ClusterKey| open.contains(cluster) || was_open(cluster);
        let led = join_all(clusters.iter().map(|cluster| async move {
            let manifests: Vec<_> = global.elsewhere_manifest(cluster, is_open).into_iter().collect();
            write_all(cx.cluster(cluster), &manifests, |manifest| new.contain(cluster, manifest)).await
        }))
        .await;
        failures.into_values().chain(opened.into_iter().flat_map(|(_, failures)| failures)).chain(led.concat()).collect()
    }

    /// Removes the objects of prior configurations that the service no longer has: those that lead to a cluster before those that let the host in
    /// there. A cluster that was removed from the provider's configuration is skipped; the plan has warned about it. So is one that couldn't be
    /// read, as what it should have isn't known then.
    pub(super) async fn remove_obsolete(&self, global: &Global, prior: &Prior<Self>, cx: &Cx<'_, World>) -> Vec<Failure> {
        let mut obsolete: Vec<(ClusterKey, ObjectRef)> = Vec::new();
        for prior in prior.in_place() {
            let is_unread = |cluster: &ClusterKey| self.request.serves(cluster) && !global.parts.contains_key(cluster);
            for cluster in prior.configured(cx).filter(|cluster| !is_unread(cluster)) {
                let wanted = if self.request.members.contains_key(cluster) { global.manifests(cluster) } else { Vec::new() };
                let kept: Vec<_> = wanted.iter().filter_map(|manifest| ObjectRef::of(manifest, "")).collect();
                let gone = prior.objects(cluster).into_iter().filter(|object| !kept.contains(object));
                obsolete.extend(gone.map(|object| (cluster.clone(), object)));
            }
        }
        let elsewhere = self.id.elsewhere();
        let place = |object: &ObjectRef| match object.kind {
            Kind::SERVICE_ENTRY if *object == elsewhere => 0,
            Kind::SERVICE_ENTRY | Kind::GATEWAY => 1,
            // The host is closed before anybody may call.
            _ => 2,
        };
        let leaves = prior.in_place().any(|prior| prior.request.serving().any(|(key, _)| !self.request.serves(key)));
        let mut failures = Vec::new();
        for turn in 0..=2 {
            if turn == 1 && leaves {
                // No client is led there any more.
                World::propagated(cx).await;
            }
            let removals =
                obsolete.iter().filter(|(_, object)| place(object) == turn).map(|(cluster, object)| self.remove(cluster, object, cx));
            failures.extend(join_all(removals).await.into_iter().filter_map(Result::err));
        }
        failures
    }

    async fn remove(&self, cluster: &ClusterKey, object: &ObjectRef, cx: &Cx<'_, World>) -> Result<(), Failure> {
        let live = cx.cluster(cluster);
        if live.leaves_behind(&object.to_string()).await {
            return Ok(());
        }
        match live.get_ours(object).await?.filter(|found| self.is_own(found)) {
            Some(found) => live.delete_found(&found, |found| self.is_own(found)).await,
            None => Ok(()),
        }
    }

    /// Removes everything of the service in a cluster.
    pub(super) async fn remove_all(&self, cluster: &ClusterKey, cx: &Cx<'_, World>) -> Vec<Failure> {
        let (live, selector) = (cx.cluster(cluster), self.id.selector());
        if live.leaves_behind(&format!("the objects with the labels {selector}")).await {
            return Vec::new();
        }
        let open = [Kind::GATEWAY, Kind::DESTINATION_RULE, Kind::SERVICE_ENTRY];
        let failures: Vec<_> =
            join_all(open.map(|kind| live.delete_all(kind, &selector))).await.into_iter().filter_map(Result::err).collect();
        if !failures.is_empty() {
            return failures;
        }
        // The host is closed before anybody may call.
        live.delete_all(Kind::AUTHORIZATION_POLICY, &selector).await.err().into_iter().collect()
    }

    /// Compares the service with the objects in these clusters. One that can't be read is skipped with a warning that names it.
    pub(super) async fn compare(
        &self,
        clusters: &[ClusterKey],
        resolved: Resolved,
        cx: &Cx<'_, World>,
    ) -> Result<Observed<GlobalServiceStatus>, Error> {
        let Resolved { global, mut unseen, .. } = resolved;
        let readable: Vec<_> = clusters.iter().filter(|cluster| !unseen.contains_key(cluster)).collect();
        let global = &global;
        let looks = readable.into_iter().map(|cluster| async move { (cluster, self.differences(global, cluster, cx).await) });
        let (mut drift, mut is_there) = (Vec::new(), false);
        for (cluster, found) in join_all(looks).await {
            match found {
                Ok((lines, exists)) => {
                    is_there |= exists;
                    drift.extend(lines.into_iter().map(|line| format!("Cluster {cluster}: {line}")));
                }
                Err(failure) => _ = unseen.insert(cluster.clone(), failure),
            }
        }
        // A cluster that is lost may have objects.
        let is_complete = unseen.is_empty() && clusters.len() == self.configured(cx).count();
        for failure in unseen.into_values() {
            let mut warning = Error::from(failure);
            warning.detail.push_str(&format!("\n\nThe state of {} in this cluster stays as it was at the last refresh.", self.id.host));
            cx.warn(warning);
        }
        if is_complete && !is_there {
            return Ok(Observed::Gone);
        }
        Ok(Observed::Found(GlobalServiceStatus::new(global, drift)))
    }

    /// Returns the differences between a cluster's objects and what is wanted, and whether there is any object.
    async fn differences(&self, global: &Global, cluster: &ClusterKey, cx: &Cx<'_, World>) -> Result<(Vec<String>, bool), Failure> {
        let manifests = global.manifests(cluster);
        let objects = self.objects(cluster);
        let wanted = |object: &ObjectRef| manifests.iter().find(|manifest| ObjectRef::of(manifest, "").as_ref() == Some(object));
        let found = try_join_all(objects.iter().map(|object| cx.cluster(cluster).get_for(object, wanted(object)))).await?;
        let is_there = found.iter().any(Option::is_some);
        let lines = objects.iter().zip(found).flat_map(|(object, live)| {
            let lines = match (wanted(object), live) {
                (Some(wanted), Some(live)) => own_differences(wanted, &live),
                (Some(_), None) => vec!["it is gone".to_owned()],
                (None, Some(live)) if self.is_own(&live) => vec!["must be removed".to_owned()],
                (None, _) => Vec::new(),
            };
            lines.into_iter().map(move |line| format!("{object}: {line}"))
        });
        Ok((lines.collect(), is_there))
    }

    /// Returns the state of a service that can't be resolved because of `problem`.
    pub(super) async fn read_unresolved(
        &self,
        clusters: &[ClusterKey],
        problem: Error,
        cx: &Cx<'_, World>,
    ) -> Result<Observed<GlobalServiceStatus>, Error> {
        let looks = join_all(clusters.iter().map(|cluster| async { cx.cluster(cluster).get(&self.id.rule()).await })).await;
        // An object that can't be read may exist.
        if clusters.len() == self.configured(cx).count()
            && looks.iter().all(|live| live.as_ref().is_ok_and(|live| !live.as_ref().is_some_and(|live| self.is_own(live))))
        {
            return Ok(Observed::Gone);
        }
        let drift = vec![format!("{}: {}", problem.summary, problem.detail)];
        Ok(Observed::Found(GlobalServiceStatus { resolved: None, address: self.request.address(&self.id.host), drift }))
    }
}

fn is_rule(manifest: &Json) -> bool {
    Kind::of(manifest) == Some(Kind::DESTINATION_RULE)
}
