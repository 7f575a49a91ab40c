//! Reads what clusters show before a mesh is installed: all clusters at the same time, each with a time limit of its own, and Istio's charts meanwhile.
//! Nothing is created. What can't be read is a result as well.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use framework::{Cx, Deadline};
use futures::{
    future::join_all,
    stream::{self, StreamExt as _, TryStreamExt as _},
};
use serde_json::Value as Json;

use super::{ClusterAccess as _, LiveCluster, World, inventory::unknown_access};
use crate::{
    data::{Kind, Permission},
    mesh::{
        ClusterKey,
        inventory::{INJECTORS, Unread},
        precheck::{self, CHARTS, Candidate, Chart, Intent, Seen, Survey},
        signer,
    },
    ports::{Failure, FailureKind},
};

/// How long the reading of one cluster may take.
const TIME: Duration = Duration::from_secs(20);

/// How long the charts may take.
const FETCH: Duration = Duration::from_secs(40);

/// How many permissions are asked for at once, where the rules don't tell.
const AT_ONCE: usize = 16;

/// A namespace that doesn't exist: the rules that hold in it are those that hold in all.
const NOWHERE: &str = "mesh-terraform-io-nowhere";

/// Reads what the clusters show, and fetches the charts.
pub(crate) async fn survey(clusters: &[ClusterKey], intent: &Intent, cx: &Cx<'_, World>) -> Survey {
    let reads = clusters.iter().map(|key| async move { (key.clone(), Box::pin(read(key, intent, cx)).await) });
    let (clusters, charts) = tokio::join!(join_all(reads), charts(intent, cx));
    Survey { clusters: clusters.into_iter().collect(), charts }
}

async fn charts(intent: &Intent, cx: &Cx<'_, World>) -> Result<Vec<Chart>, Unread> {
    let releases = &cx.world.releases;
    releases.locate().map_err(unread)?;
    releases.check().await.map_err(unread)?;
    let (deadline, version) = (&cx.deadline.part(FETCH), intent.istio_version.as_ref().map(ToString::to_string));
    let version = version.as_deref();
    let mut charts = Vec::new();
    for name in CHARTS {
        let version = releases.fetch(name, version, deadline).await.map_err(unread);
        charts.push(Chart { name, version });
        // The others most likely fail alike, and as slowly.
        if charts.iter().any(|chart| chart.version.is_err()) {
            break;
        }
    }
    Ok(charts)
}

/// Describes a failure with the words that it came with: they may be all that names the cause.
fn unread(failure: Failure) -> Unread {
    let mut why = format!("{}. {}", failure.summary.trim_end_matches('.'), failure.why);
    if let Some(raw) = failure.raw {
        why.push_str(&format!(" The error: {}", raw.trim()));
    }
    let advice = match failure.kind {
        FailureKind::TimedOut => "Check the address, the network on the way, and that the server runs.".to_owned(),
        _ => failure.advice,
    };
    Unread { why, advice, is_unknown: false }
}

async fn read(key: &ClusterKey, intent: &Intent, cx: &Cx<'_, World>) -> Result<Candidate, Unread> {
    if !cx.world.clusters.is_known(key) {
        return Err(unknown_access());
    }
    let deadline = cx.deadline.part(TIME);
    let reader = Reader { cluster: cx.cluster(key).within(&deadline), world: cx.world, deadline: &deadline };
    Box::pin(reader.candidate(intent)).await.map_err(unread)
}

/// Reads one cluster.
#[derive(Clone, Copy)]
struct Reader<'a> {
    cluster: LiveCluster<'a>,
    world: &'a World,
    deadline: &'a Deadline,
}

impl Reader<'_> {
    async fn candidate(self, intent: &Intent) -> Result<Candidate, Failure> {
        let (asked, key) = (&self.world.capabilities, self.cluster.key.as_str());
        let (version, user) = tokio::join!(asked.version(key, self.deadline), asked.user(key, self.deadline));
        let (version, user) = (or_denied(version)?, or_denied(user)?);
        let (uid, missing, nodes, services, istiods, injectors, validators, definitions) = tokio::join!(
            self.cluster.uid(),
            self.missing(intent),
            self.list(Kind::NODE, ""),
            self.list(Kind::SERVICE, ""),
            self.list(Kind::DEPLOYMENT, signer::ISTIOD_PODS),
            self.list(Kind::MUTATING_WEBHOOK, INJECTORS),
            self.list(Kind::VALIDATING_WEBHOOK, signer::ISTIOD_PODS),
            self.cluster.list_metadata(Kind::CRD, None, ""),
        );
        let user = match user {
            Ok(user) => user,
            // An account may lack just this permission.
            Err(_) if [&nodes, &services, &istiods].iter().any(|list| list.is_ok()) => None,
            Err(failure) => return Err(failure),
        };
        let webhooks = injectors.and_then(|injectors| Ok([injectors, validators?].concat()));
        let definitions = definitions.map_err(|failure| failure.why);
        let (events, releases) = tokio::join!(
            self.events(services.as_deref().unwrap_or_default()),
            self.releases([&istiods, &webhooks, &definitions].into_iter().flatten().flatten()),
        );
        Ok(Candidate {
            uid: uid.unwrap_or_default(),
            user,
            version: version.map_err(|failure| failure.why),
            missing: missing.map_err(|failure| failure.why),
            nodes,
            services,
            events,
            istiods,
            webhooks,
            definitions,
            releases,
        })
    }

    async fn list(self, kind: Kind, labels: &str) -> Seen<Vec<Json>> {
        self.cluster.list(kind, None, labels).await.map_err(|failure| failure.why)
    }

    /// Returns what the credentials lack. Where the API server asks others what is allowed, it can't list that, and is asked for each
    /// permission that its rules lack.
    async fn missing(self, intent: &Intent) -> Result<BTreeSet<Permission>, Failure> {
        let (asked, key) = (&self.world.capabilities, self.cluster.key.as_str());
        let (everywhere, within) =
            tokio::try_join!(asked.rules(key, NOWHERE, self.deadline), asked.rules(key, intent.namespace.as_str(), self.deadline))?;
        let needs = intent.roles.iter().flat_map(|role| precheck::needs(role, &intent.namespace)).collect();
        let missing = precheck::missing(needs, &everywhere, &within);
        if everywhere.is_complete && within.is_complete {
            return Ok(missing);
        }
        let asks: Vec<_> = missing
            .into_iter()
            .map(|permission| async move {
                let is_allowed = asked.allows(key, &permission, self.deadline).await?;
                Ok((!is_allowed).then_some(permission))
            })
            .collect();
        stream::iter(asks).buffer_unordered(AT_ONCE).try_filter_map(|missing| async { Ok(missing) }).try_collect().await
    }

    /// Returns the events in the namespaces of Services that wait for an address. Without the permission there is less to say.
    async fn events(self, services: &[Json]) -> Vec<Json> {
        let lists = precheck::pending(services);
        let lists = lists.iter().map(|namespace| self.cluster.list(Kind::EVENT, Some(namespace), ""));
        join_all(lists).await.into_iter().flatten().flatten().collect()
    }

    /// Looks whether this provider has made the releases that objects belong to.
    async fn releases(self, objects: impl Iterator<Item = &Json>) -> BTreeMap<String, Seen<Option<bool>>> {
        let looks = precheck::releases(objects).into_iter().map(|(namespace, name)| async move {
            let found = self.cluster.release(&namespace, &name).await.map_err(|failure| failure.why);
            (format!("{namespace}/{name}"), found.map(|found| found.map(|release| release.is_ours)))
        });
        join_all(looks).await.into_iter().collect()
    }
}

/// Returns the failure as a result if the cluster has answered: the credentials may not ask for it.
fn or_denied<T>(asked: Result<T, Failure>) -> Result<Result<T, Failure>, Failure> {
    match asked {
        Err(failure) if failure.kind != FailureKind::Denied => Err(failure),
        asked => Ok(asked),
    }
}
