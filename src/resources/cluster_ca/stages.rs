//! A change of roots without a failed call. Every workload must trust a root before any CA signs for it, and a root is dropped only when no
//! workload can present a certificate of it any more. Both are checked in every cluster before anything is written.

use serde_json::Value as Json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{ClusterCa, import::namespaces_with_a_ca, root::RootSource, roots::fingerprints, source::Source};
use crate::{
    data::{CaBundle, Kind, ObjectRef},
    mesh::{
        ClusterKey,
        helm::control_plane::ISTIOD_RELEASE,
        rotation::{Serving, Signing, TrustRecord, Workload, changed_at, pushes_roots},
        trust,
    },
    world::{ClusterAccess, World},
};
use framework::{AttributePath, Cx, Error, Prior};

/// How many workloads a message names.
const NAMED: usize = 5;

/// One cluster's CA as it is, and what runs with it.
struct Member {
    cluster: ClusterKey,
    namespace: String,
    signing: Signing,
    record: TrustRecord,
    /// Whether the record is there; that of a CA that something else writes is not.
    is_recorded: bool,
    serving: Option<Serving>,
    istiod_pushes: bool,
    workloads: Vec<Workload>,
}

impl ClusterCa {
    /// The roots of a bundle, and which of them its certificate leads to.
    fn signing(&self, bundle: &CaBundle, world: &World) -> Option<Signing> {
        let path = world.authority.verify(bundle, &self.purpose(world)).ok()?;
        Some(Signing { signer: path.root()?.fingerprint.clone(), roots: fingerprints(&bundle.roots, world) })
    }

    /// Checks that the change of roots from the bundle in place to the next one breaks no call, and returns what to record of it.
    pub(super) async fn check_stage(
        &self,
        live: &Json,
        before: &CaBundle,
        after: &CaBundle,
        prior: &Prior<Self>,
        cx: &Cx<'_, World>,
    ) -> Result<TrustRecord, Error> {
        let record = TrustRecord::read(live);
        let (Some(before), Some(after)) = (self.signing(before, cx.world), self.signing(after, cx.world)) else {
            // A CA that doesn't verify signs nothing that could be accepted.
            return Ok(TrustRecord::default());
        };
        let dropped: Vec<_> = before.roots.iter().filter(|root| !after.roots.contains(root)).collect();
        let serving = serving(&self.cluster, self.namespace.as_str(), cx).await?;
        // What was swapped in behind the provider's back is not what the others trust.
        let is_known = prior.in_place().any(|prior| prior.all_roots(cx.world).is_none_or(|roots| roots.contains(&before.signer)));
        let is_free = self.force_root_change || self.is_rotated_in_place(prior) || !is_known;
        if (before.signer != after.signer || !dropped.is_empty()) && !is_free {
            let members = self.members(&before, cx).await?;
            let now = cx.world.clock.now();
            if before.signer != after.signer {
                let problems: Vec<_> = members.iter().filter_map(|member| member.distrusts(&after.signer, now)).collect();
                refuse("The root can't be changed yet", "root_ca", &format!("sign for the root {}", after.signer), &problems)?;
            }
            for root in dropped {
                let problems: Vec<_> = members.iter().filter_map(|member| member.presents(root, now)).collect();
                refuse("A root can't be dropped yet", "trusted_roots", &format!("no longer trust the root {root}"), &problems)?;
            }
        }
        Ok(record.next(&before, serving.as_ref(), &after))
    }

    /// Whether the root's own resource has put another root in its place, as `rotation` asks for: then calls fail in any case.
    fn is_rotated_in_place(&self, prior: &Prior<Self>) -> bool {
        let root = |ca: &Self| match &ca.source {
            Source::Issued(issued) => match &issued.root {
                RootSource::Resource { cluster, secret, fingerprint } => Some((cluster.clone(), secret.clone(), fingerprint.clone())),
                RootSource::Own { .. } => None,
            },
            Source::Given(_) | Source::External { .. } => None,
        };
        let Some((cluster, secret, fingerprint)) = root(self) else { return false };
        let mut before = prior.in_place().filter_map(root);
        before.any(|(old_cluster, old_secret, old)| (old_cluster, old_secret) == (cluster.clone(), secret.clone()) && old != fingerprint)
    }

    /// All CAs in the configured clusters that have a root in common with this one. Which they are must be certain.
    async fn members(&self, before: &Signing, cx: &Cx<'_, World>) -> Result<Vec<Member>, Error> {
        let mut members = Vec::new();
        for cluster in cx.world.clusters.keys().unwrap_or_default() {
            crate::world::reachable(&cluster, cx)?;
            for namespace in namespaces_with_a_ca(&cluster, cx).await? {
                if let Some(member) = self.member(&cluster, namespace, before, cx).await? {
                    members.push(member);
                }
            }
        }
        Ok(members)
    }

    async fn member(&self, cluster: &ClusterKey, namespace: String, before: &Signing, cx: &Cx<'_, World>) -> Result<Option<Member>, Error> {
        let on = cx.cluster(cluster);
        let Some(secret) = on.get(&ObjectRef::namespaced(Kind::SECRET, &namespace, trust::CACERTS)).await? else { return Ok(None) };
        let Ok(bundle) = trust::read_cacerts(&secret) else { return Ok(None) };
        let Some(signing) = self.signing(&bundle, cx.world).filter(|signing| signing.roots.iter().any(|root| before.roots.contains(root)))
        else {
            return Ok(None);
        };
        let istiod = on.get(&ObjectRef::namespaced(Kind::DEPLOYMENT, &namespace, ISTIOD_RELEASE)).await?;
        let pods = on.list(Kind::POD, None, Workload::SELECTOR).await?;
        Ok(Some(Member {
            serving: serving(cluster, &namespace, cx).await?,
            cluster: cluster.clone(),
            namespace,
            signing,
            record: TrustRecord::read(&secret),
            is_recorded: trust::ca_record(&secret).is_some(),
            istiod_pushes: istiod.as_ref().is_some_and(pushes_roots),
            workloads: pods.iter().filter_map(Workload::of).collect(),
        }))
    }
}

impl Member {
    /// Reports why calls to or from this cluster could fail if a CA began to sign for a root.
    fn distrusts(&self, root: &str, now: OffsetDateTime) -> Option<String> {
        let Self { cluster, namespace, .. } = self;
        if !self.signing.roots.iter().any(|trusted| trusted == root) {
            return Some(format!(
                "cluster \"{cluster}\": its CA (Secret {namespace}/cacerts) doesn't have the root among those that workloads trust. Add its \
                 certificate to `trusted_roots` of the cluster's mesh_cluster_ca, and apply that first"
            ));
        }
        // Without istiod there are no workloads that it could give roots to.
        let serving = self.serving.as_ref()?;
        if !serving.roots.iter().any(|served| served == root) {
            return Some(format!("cluster \"{cluster}\": istiod doesn't serve the root yet. Apply the cluster's mesh_cluster"));
        }
        self.waits_for(self.record.served_since(root, serving), now, "may not trust the root yet")
    }

    /// Reports why a workload of this cluster could still present a certificate of a root.
    fn presents(&self, root: &str, now: OffsetDateTime) -> Option<String> {
        let cluster = &self.cluster;
        if self.signing.signer == root {
            return Some(format!(
                "cluster \"{cluster}\": its CA still signs for the root. Set another root in the cluster's mesh_cluster_ca, keep this one in \
                 `trusted_roots`, and apply that first"
            ));
        }
        let may_have_signed =
            self.record.has_signed(root) || (!self.is_recorded && self.signing.roots.iter().any(|trusted| trusted == root));
        let serving = self.serving.as_ref().filter(|_| may_have_signed)?;
        if serving.roots.first() != self.signing.roots.first() {
            return Some(format!("cluster \"{cluster}\": istiod doesn't serve its present roots yet. Apply the cluster's mesh_cluster"));
        }
        self.waits_for(serving.since, now, "may still have a certificate of the root")
    }

    /// Reports the workloads that may not have what istiod began to serve at some time.
    fn waits_for(&self, began: OffsetDateTime, now: OffsetDateTime, what: &str) -> Option<String> {
        let late: Vec<_> = self.workloads.iter().map(|workload| (workload, workload.has_it_from(began, self.istiod_pushes))).collect();
        let late: Vec<_> = late.into_iter().filter(|(_, from)| *from > now).collect();
        let until = late.iter().map(|(_, from)| *from).max()?;
        let names: Vec<_> = late.iter().take(NAMED).map(|(workload, _)| workload.name.as_str()).collect();
        let more = late.len().saturating_sub(NAMED);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        Some(format!(
            "cluster \"{}\": workloads {what}: {}{more}. Restart them, or apply again after {}, when their certificates have been renewed",
            self.cluster,
            names.join(", "),
            until.format(&Rfc3339).unwrap_or_else(|_| until.to_string())
        ))
    }
}

/// Reads the roots that istiod of a cluster serves, and since when.
async fn serving(cluster: &ClusterKey, namespace: &str, cx: &Cx<'_, World>) -> Result<Option<Serving>, Error> {
    let Some(served) = cx.cluster(cluster).get(&trust::served_roots(namespace)).await? else { return Ok(None) };
    let roots = fingerprints(trust::read_served_roots(&served).unwrap_or_default(), cx.world);
    // What says no time is taken for what has just changed.
    let since = changed_at(&served).unwrap_or_else(|| cx.world.clock.now());
    Ok(Some(Serving { roots, since }))
}

fn refuse(summary: &'static str, attribute: &'static str, change: &str, problems: &[String]) -> Result<(), Error> {
    if problems.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        summary,
        format!(
            "Calls between workloads would fail if this cluster's CA were to {change} now. Nothing was changed.\n\n  - {}\n\nThe guide \"Backing up, restoring, \
             moving and replacing the root\" has the stages. To change the root at once, at the cost of failed calls, set `force_root_change = true`.",
            problems.join("\n  - ")
        ),
    )
    .at(AttributePath::new(attribute)))
}
