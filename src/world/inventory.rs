//! Reads what clusters show of a mesh: all clusters at the same time, each with a time limit of its own. What can't be read is a result as well.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures::future::join_all;
use serde_json::Value as Json;

use super::{ClusterAccess as _, LiveCluster, Signer, World};
use crate::{
    data::{CertificateFacts, Kind, ObjectRef},
    mesh::{
        ClusterKey,
        inventory::{self, ClusterInventory, Home, Inventory, Objects, Probe, Roots, Unread, Validation},
        labels, pod,
        remote_secret::{CLUSTERS_PAGE, ISTIOD_DEBUG_PORT, NETWORKS_PAGE, REMOTE_SECRETS},
        signer, trust,
    },
    ports::{Failure, FailureKind},
};
use framework::Cx;

/// How long the reading of one cluster may take. One that doesn't answer holds up the others no longer than this.
const TIME: Duration = Duration::from_secs(20);

/// Answers of istiod by pod, `NAMESPACE/NAME`, or why there is none. Those that may not be asked are left out.
type Pages = BTreeMap<String, Result<String, String>>;

/// How long a pod of istiod may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// How long an API server may take to have an object judged by webhooks: longer than the ten seconds after which it gives up on one by itself, and then
/// says why.
const TRIAL: Duration = Duration::from_secs(12);

/// Reads what the clusters show.
pub(crate) async fn inventory(clusters: &[ClusterKey], cx: &Cx<'_, World>) -> Inventory {
    let reads = clusters.iter().map(|key| async move { (key.clone(), Box::pin(read(key, cx)).await) });
    Inventory { clusters: join_all(reads).await.into_iter().collect(), at: cx.world.clock.now() }
}

async fn read(key: &ClusterKey, cx: &Cx<'_, World>) -> Result<ClusterInventory, Unread> {
    if !cx.world.clusters.is_known(key) {
        return Err(unknown_access());
    }
    let deadline = cx.deadline.part(TIME);
    let reader = Reader { key, cluster: cx.cluster(key).within(&deadline), unread: Mutex::default() };
    let objects = Box::pin(reader.objects()).await.map_err(unread)?;
    Ok(ClusterInventory::of(key, &objects))
}

/// Why a cluster can't be read yet.
pub(super) fn unknown_access() -> Unread {
    let why = "The access to the cluster is known only after an apply.".to_owned();
    Unread { why, advice: "Apply what it comes from first.".to_owned(), is_unknown: true }
}

fn unread(failure: Failure) -> Unread {
    Unread { why: format!("{}. {}", failure.summary.trim_end_matches('.'), failure.why), advice: failure.advice, is_unknown: false }
}

/// Reads one cluster, and keeps what it couldn't read.
struct Reader<'a> {
    key: &'a ClusterKey,
    cluster: LiveCluster<'a>,
    /// What, and why.
    unread: Mutex<BTreeMap<String, String>>,
}

impl Reader<'_> {
    async fn objects(&self) -> Result<Objects, Failure> {
        let istiod = signer::ISTIOD_PODS;
        let planes = async {
            tokio::join!(
                self.cluster.uid(),
                self.cluster.list(Kind::DEPLOYMENT, None, istiod),
                self.list(Kind::POD, None, istiod),
                self.list(Kind::MUTATING_WEBHOOK, None, inventory::INJECTORS),
                self.list(Kind::VALIDATING_WEBHOOK, None, istiod),
            )
        };
        let hosts = async {
            tokio::join!(
                self.managed(Kind::SERVICE_ENTRY),
                self.managed(Kind::DESTINATION_RULE),
                self.list(Kind::GATEWAY, None, ""),
                self.sidecars(),
            )
        };
        let networks = async { tokio::join!(self.list(Kind::SERVICE, None, labels::NETWORK), self.api_gateways(), self.remote_secrets()) };
        let (planes, hosts, networks) = tokio::join!(planes, hosts, networks);
        let (uid, control_planes, control_plane_pods, injectors, validators) = planes;
        let (entries, rules, gateways, sidecars) = hosts;
        let (gateway_services, api_gateways, remote_secrets) = networks;
        let control_planes = match control_planes {
            // Without an answer to this there is no point in the rest.
            Err(failure) if failure.kind != FailureKind::Denied => return Err(failure),
            found => self.or_unread(Kind::DEPLOYMENT.plural, found).unwrap_or_default(),
        };
        let mut objects = Objects {
            uid: uid.unwrap_or_default(),
            control_planes,
            control_plane_pods,
            injectors,
            validators,
            gateway_services,
            entries,
            rules,
            gateways,
            api_gateways,
            remote_secrets,
            sidecars,
            ..Objects::default()
        };
        let namespaces = inventory::namespaces(&objects.control_planes);
        let exporting = inventory::exporting_namespaces(&objects.entries);
        let (homes, pods, deployments, gateway_pods, (clusters_pages, networks_pages), validations) = tokio::join!(
            join_all(namespaces.iter().map(|namespace| self.home(namespace, &objects.control_plane_pods))),
            self.pods(&exporting),
            self.deployments(&objects.gateway_services),
            self.gateway_pods(&objects.gateway_services),
            self.pages(&objects),
            self.validations(&objects),
        );
        objects.validations = validations;
        objects.gateway_deployments = deployments;
        objects.gateway_pods = gateway_pods;
        objects.clusters_pages = clusters_pages;
        objects.networks_pages = networks_pages;
        for (namespace, config, roots) in homes {
            objects.namespaces.extend(namespace);
            objects.mesh_configs.extend(config);
            objects.roots.push(roots);
        }
        objects.pods = pods;
        objects.served = self.cluster.served(inventory::connections(self.key, &objects)).await;
        objects.unread = std::mem::take(&mut *self.unread.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(objects)
    }

    /// Returns what was found; `None` if it couldn't be read, which is kept.
    fn or_unread<T>(&self, what: &str, found: Result<T, Failure>) -> Option<T> {
        self.or_unclear(what, found.map_err(|failure| failure.summary))
    }

    /// Returns what was found; `None` if it makes no sense, which is kept.
    fn or_unclear<T>(&self, what: &str, found: Result<T, String>) -> Option<T> {
        found.map_err(|why| self.unread.lock().unwrap_or_else(PoisonError::into_inner).insert(what.to_owned(), why)).ok()
    }

    async fn list(&self, kind: Kind, namespace: Option<&str>, labels: &str) -> Vec<Json> {
        self.or_unread(kind.plural, self.cluster.list(kind, namespace, labels).await).unwrap_or_default()
    }

    async fn managed(&self, kind: Kind) -> Vec<Json> {
        self.list(kind, None, &labels::managed_selector()).await
    }

    /// Returns the Gateways of the Gateway API, with which links are made: none where that isn't installed.
    async fn api_gateways(&self) -> Option<Vec<Json>> {
        match self.cluster.list(Kind::API_GATEWAY, None, "").await {
            Err(failure) if failure.kind == FailureKind::NotFound => Some(Vec::new()),
            found => self.optional("gateways of the Gateway API", found),
        }
    }

    /// Returns the remote secrets without their data, which are nobody's business here.
    async fn remote_secrets(&self) -> Option<Vec<Json>> {
        let selector = format!("{REMOTE_SECRETS}=true");
        self.optional("remote secrets", self.cluster.list_metadata(Kind::SECRET, None, &selector).await)
    }

    /// Returns what few clusters have. Without the permission to read it, nothing is said of it.
    fn optional<T>(&self, what: &str, found: Result<T, Failure>) -> Option<T> {
        match found {
            Err(failure) if failure.kind == FailureKind::Denied => None,
            found => self.or_unread(what, found),
        }
    }

    /// Returns what the pods of istiod that serve say of the clusters that they read, if they are to read any, and of the gateways to other networks.
    async fn pages(&self, objects: &Objects) -> (Pages, Pages) {
        let pods = || pod::serving(&objects.control_plane_pods);
        let clusters = if objects.remote_secrets.as_ref().is_none_or(Vec::is_empty) { Vec::new() } else { pods() };
        let networks = if inventory::reaches_others(objects) { pods() } else { Vec::new() };
        tokio::join!(self.page(CLUSTERS_PAGE, clusters), self.page(NETWORKS_PAGE, networks))
    }

    /// Returns what pods of istiod have on a page.
    async fn page(&self, page: &str, pods: Vec<ObjectRef>) -> Pages {
        let deadline = self.cluster.part(ANSWER);
        let cluster = self.cluster.within(&deadline);
        let asked = pods.into_iter().map(|pod| async move {
            let name = format!("{}/{}", pod.namespace.as_deref().unwrap_or_default(), pod.name);
            match cluster.ask_pod(&pod, ISTIOD_DEBUG_PORT, page).await {
                Err(failure) if failure.kind == FailureKind::Denied => None,
                answer => Some((name, answer.map_err(|failure| failure.why))),
            }
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    /// Offers each validation webhook of istiod an object that it must refuse, and which isn't stored in any case.
    async fn validations(&self, objects: &Objects) -> BTreeMap<String, Validation> {
        let deadline = self.cluster.part(TRIAL);
        let cluster = self.cluster.within(&deadline);
        let tried = inventory::probes(objects).into_iter().map(|probe| async move {
            let outcome = judged(&probe, cluster.dry_run(&probe.object).await)?;
            Some((probe.validator, outcome))
        });
        join_all(tried).await.into_iter().flatten().collect()
    }

    async fn sidecars(&self) -> Vec<Json> {
        self.list(Kind::POD, None, &labels::injected_selector()).await
    }

    /// Returns the pods of namespaces, unless some can't be read.
    async fn pods(&self, namespaces: &BTreeSet<String>) -> Option<Vec<Json>> {
        let lists = namespaces.iter().map(|namespace| self.cluster.list(Kind::POD, Some(namespace), ""));
        let lists: Result<Vec<_>, _> = join_all(lists).await.into_iter().collect();
        self.or_unread(Kind::POD.plural, lists).map(|lists| lists.concat())
    }

    /// Returns the Deployments with the names of Services. Istio's chart puts the network's label on the Service and the pods only.
    async fn deployments(&self, services: &[Json]) -> Vec<Json> {
        let gets = services.iter().filter_map(|service| {
            let metadata = &service["metadata"];
            Some(ObjectRef::namespaced(Kind::DEPLOYMENT, metadata["namespace"].as_str()?, metadata["name"].as_str()?))
        });
        join_all(gets.map(|deployment| async move { self.get(&deployment).await })).await.into_iter().flatten().collect()
    }

    /// Returns the pods that Services choose.
    async fn gateway_pods(&self, services: &[Json]) -> Vec<Json> {
        let lists = services.iter().filter_map(|service| {
            let selector: BTreeMap<_, _> = service["spec"]["selector"].as_object()?.iter().map(chosen).collect::<Option<_>>()?;
            Some((service["metadata"]["namespace"].as_str()?, labels::selector_of(&selector)))
        });
        // Services of one gateway have the same pods.
        let lists: BTreeSet<_> = lists.filter(|(_, selector)| !selector.is_empty()).collect();
        join_all(lists.iter().map(|(namespace, selector)| self.list(Kind::POD, Some(namespace), selector))).await.concat()
    }

    async fn get(&self, object: &ObjectRef) -> Option<Json> {
        self.or_unread(&object.to_string(), self.cluster.get(object).await).flatten()
    }

    /// Reads a namespace of istiod: itself, the mesh's configuration, and the certificates.
    async fn home(&self, namespace: &str, pods: &[Json]) -> (Option<Json>, Option<Json>, Roots) {
        let paths = Home::of(namespace);
        let (home, config, served, cacerts) =
            tokio::join!(self.get(&paths.namespace), self.get(&paths.mesh_config), self.get(&paths.served_roots), self.get(&paths.cacerts));
        let bundle = cacerts.and_then(|secret| self.or_unclear(&paths.cacerts.to_string(), trust::read_cacerts(&secret)));
        if config.as_ref().is_some_and(|config| trust::mesh_config(config).is_none()) {
            self.or_unclear::<()>(&paths.mesh_config.to_string(), Err("its key mesh is not YAML".to_owned()));
        }
        let served = served.as_ref().and_then(trust::read_served_roots).map(|pem| self.certificates(pem)).unwrap_or_default();
        let pods: Vec<_> = pods.iter().filter(|pod| pod["metadata"]["namespace"] == namespace).cloned().collect();
        let roots = Roots {
            namespace: namespace.to_owned(),
            used: self.cluster.signers(&pods, &served).await.into_iter().filter_map(used).collect(),
            served,
            configured: bundle.as_ref().map(|bundle| self.certificates(&bundle.roots)).unwrap_or_default(),
            signer: bundle.and_then(|bundle| self.certificates(&bundle.certificate).into_iter().next()),
        };
        (home, config, roots)
    }

    /// Reads certificates; empty if they can't be read.
    fn certificates(&self, pem: &str) -> Vec<CertificateFacts> {
        self.cluster.world().authority.inspect_all(pem).unwrap_or_default()
    }
}

/// Returns what came of an invalid object; `None` if that can't be told, as when the credentials don't allow to offer it.
fn judged(probe: &Probe, outcome: Result<(), Failure>) -> Option<Validation> {
    let Err(failure) = outcome else { return Some(Validation::Accepted) };
    let words = failure.raw.as_deref()?;
    match failure.kind {
        FailureKind::Rejected => probe.judge(words, true),
        FailureKind::NotReady => probe.judge(words, false),
        _ => None,
    }
}

/// A label of a selector.
fn chosen((label, value): (&String, &Json)) -> Option<(String, String)> {
    Some((label.clone(), value.as_str()?.to_owned()))
}

/// Returns what a pod signs with by its name; `None` if that can't be told, or may not be asked.
fn used(signer: Signer) -> Option<(String, Result<CertificateFacts, String>)> {
    match signer.certificate {
        Ok(certificate) => Some((signer.pod, Ok(certificate?))),
        Err(failure) if failure.kind == FailureKind::Denied => None,
        Err(failure) => Some((signer.pod, Err(failure.why))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe() -> Probe {
        let webhook = serde_json::json!({
            "name": "rev.validation.istio.io", "clientConfig": {"service": {"namespace": "istio-system", "name": "istiod"}},
        });
        let objects = Objects {
            control_planes: vec![serde_json::json!({"metadata": {"namespace": "istio-system"}})],
            validators: vec![serde_json::json!({"metadata": {"name": "istio-validator-istio-system"}, "webhooks": [webhook]})],
            ..Objects::default()
        };
        inventory::probes(&objects).remove(0)
    }

    fn of(kind: FailureKind, raw: &str) -> Option<Validation> {
        judged(&probe(), Err(Failure::new(kind, "Can't check a Gateway", "").raw(raw)))
    }

    #[test]
    fn only_istiods_own_words_and_those_of_a_call_to_it_tell_of_its_webhook() {
        let refused = "admission webhook \"rev.validation.istio.io\" denied the request: configuration is invalid: invalid protocol";
        assert_eq!(of(FailureKind::Rejected, refused), Some(Validation::Refused));
        let call = "Internal error occurred: failed calling webhook \"rev.validation.istio.io\": failed to call webhook: Post \
                    \"https://istiod.istio-system.svc:443/validate?timeout=10s\": tls: failed to verify certificate: x509: certificate signed by unknown \
                    authority";
        let Some(Validation::NotCalled(why)) = of(FailureKind::NotReady, call) else { panic!("not called") };
        assert!(why.starts_with("Post \"https://istiod") && why.ends_with("signed by unknown authority."), "{why}");
        assert_eq!(judged(&probe(), Ok(())), Some(Validation::Accepted));
        assert_eq!(of(FailureKind::Denied, "gateways.networking.istio.io is forbidden: User \"reader\" cannot patch"), None);
        assert_eq!(
            of(FailureKind::Rejected, "admission webhook \"validation.gatekeeper.sh\" denied the request"),
            None,
            "it was asked first"
        );
        assert_eq!(of(FailureKind::TimedOut, ""), None);
    }
}
