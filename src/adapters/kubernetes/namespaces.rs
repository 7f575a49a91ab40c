//! What is in a namespace: objects of all kinds that the API server serves, as its discovery lists them.

use std::collections::HashSet;

use async_trait::async_trait;
use framework::Deadline;
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::Value as Json;

use super::{
    Kubernetes,
    request::{Call, METADATA},
};
use crate::{
    adapters::refusal::{Attempt, Verb},
    data::Kind,
    ports::{Failure, FailureKind, Namespaces},
};

/// Asks for all groups in one answer, which Kubernetes 1.30 and newer give, and in its former version since 1.27.
const DISCOVERY: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList, \
                         application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList, application/json";

/// What the cluster writes by itself, by group and plural: no loss with a namespace.
const PASSING: &[(&str, &str)] = &[
    ("", "endpoints"),
    ("", "events"),
    ("events.k8s.io", "events"),
    ("apps", "controllerrevisions"),
    ("coordination.k8s.io", "leases"),
    ("discovery.k8s.io", "endpointslices"),
    ("metrics.k8s.io", "pods"),
    ("packages.operators.coreos.com", "packagemanifests"),
];

/// How many objects of a kind are read: enough to name them.
const MOST: usize = 20;

/// How many kinds are listed at a time.
const AT_A_TIME: usize = 10;

/// A kind that the API server serves.
#[derive(Debug, PartialEq, Eq)]
struct Served {
    group: String,
    version: String,
    kind: String,
    plural: String,
}

impl Served {
    fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    fn path(&self, namespace: &str) -> String {
        let root = if self.group.is_empty() { "/api" } else { "/apis" };
        format!("{root}/{}/namespaces/{namespace}/{}?limit={MOST}", self.api_version(), self.plural)
    }
}

/// Reads the kinds off an answer of the discovery: those that have a namespace and can be listed, each in its preferred version.
fn served(answer: &Json) -> Vec<Served> {
    let array = |value: &Json| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    for group in array(&answer["items"]) {
        // An API that is served elsewhere and doesn't answer has no current versions.
        for version in array(&group["versions"]).iter().filter(|version| version["freshness"] != "Stale") {
            for resource in array(&version["resources"]) {
                let (group, plural) = (text(&group["metadata"]["name"]), text(&resource["resource"]));
                let is_listed = resource["scope"] == "Namespaced" && array(&resource["verbs"]).contains(&"list".into());
                let is_passing = PASSING.contains(&(group.as_str(), plural.as_str()));
                if is_listed && !is_passing && seen.insert((group.clone(), plural.clone())) {
                    found.push(Served { group, version: text(&version["version"]), kind: text(&resource["responseKind"]["kind"]), plural });
                }
            }
        }
    }
    found
}

impl Kubernetes {
    async fn served(&self, cluster: &str, deadline: &Deadline) -> Result<Vec<Served>, Failure> {
        let attempt = Attempt::new(cluster, Verb::List, "the kinds of objects");
        let mut all = Vec::new();
        for path in ["/api", "/apis"] {
            let answer = self.send(&attempt, &Call { accept: DISCOVERY, ..Call::get(path.to_owned()) }, deadline).await?;
            if answer["kind"] != "APIGroupDiscoveryList" {
                let why = "The API server doesn't say in one answer what it serves, as Kubernetes 1.27 and newer do.";
                return Err(Failure::new(FailureKind::Denied, attempt.title(), why));
            }
            all.extend(served(&answer));
        }
        Ok(all)
    }

    async fn some(&self, cluster: &str, namespace: &str, kind: &Served, deadline: &Deadline) -> Result<Vec<Json>, Failure> {
        let attempt = Attempt::new(cluster, Verb::List, format!("{} of namespace {namespace}", kind.plural));
        let mut answer = match self.send(&attempt, &Call { accept: METADATA, ..Call::get(kind.path(namespace)) }, deadline).await {
            Err(failure) if matches!(failure.kind, FailureKind::Denied | FailureKind::NotFound) => return Ok(Vec::new()),
            Err(failure) if matches!(failure.kind, FailureKind::Interrupted | FailureKind::TimedOut) => return Err(failure),
            Err(failure) => return Err(Failure { kind: FailureKind::Denied, ..failure }),
            Ok(answer) => answer,
        };
        let mut items: Vec<Json> = answer["items"].as_array_mut().map(std::mem::take).unwrap_or_default();
        for item in &mut items {
            item["apiVersion"] = kind.api_version().into();
            item["kind"] = kind.kind.as_str().into();
        }
        Ok(items)
    }
}

#[async_trait]
impl Namespaces for Kubernetes {
    async fn others(&self, cluster: &str, namespace: &str, named: &[Kind], deadline: &Deadline) -> Result<Vec<Json>, Failure> {
        let mut kinds = self.served(cluster, deadline).await?;
        kinds.retain(|kind| !named.iter().any(|named| (named.group, named.plural) == (kind.group.as_str(), kind.plural.as_str())));
        let lists = kinds.into_iter().map(|kind| async move { self.some(cluster, namespace, &kind, deadline).await });
        let lists: Vec<_> = futures::stream::iter(lists).buffer_unordered(AT_A_TIME).try_collect().await?;
        Ok(lists.concat())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::adapters::kubernetes::{ok, scripted, status};

    fn minutes() -> Deadline {
        Deadline::after(Duration::from_secs(60), CancellationToken::new())
    }

    fn resource(plural: &str, kind: &str, scope: &str, verbs: &[&str]) -> Json {
        json!({"resource": plural, "responseKind": {"kind": kind}, "scope": scope, "verbs": verbs})
    }

    fn group(name: &str, versions: &[(&str, &str, Vec<Json>)]) -> Json {
        let versions = versions
            .iter()
            .map(|(version, freshness, resources)| json!({"version": version, "freshness": freshness, "resources": resources}));
        json!({"metadata": {"name": name}, "versions": versions.collect::<Vec<_>>()})
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_listed_is_all_that_the_api_server_serves_in_a_namespace() {
        let list = ["get", "list"];
        let core = group(
            "",
            &[(
                "v1",
                "Current",
                vec![
                    resource("pods", "Pod", "Namespaced", &list),
                    resource("resourcequotas", "ResourceQuota", "Namespaced", &list),
                    resource("events", "Event", "Namespaced", &list),
                    resource("nodes", "Node", "Cluster", &list),
                    resource("bindings", "Binding", "Namespaced", &["create"]),
                ],
            )],
        );
        let issuers = |version: &'static str| (version, "Current", vec![resource("issuers", "Issuer", "Namespaced", &list)]);
        let others = [
            group("cert-manager.io", &[issuers("v1"), issuers("v1alpha2")]),
            group("metrics.example.com", &[("v1", "Stale", vec![resource("loads", "Load", "Namespaced", &list)])]),
            group("secret.example.com", &[("v1", "Current", vec![resource("hidden", "Hidden", "Namespaced", &list)])]),
        ];
        let (clusters, asked) = scripted(move |_, line| match line {
            "GET /api" => ok(&json!({"kind": "APIGroupDiscoveryList", "items": [core]})),
            "GET /apis" => ok(&json!({"kind": "APIGroupDiscoveryList", "items": others})),
            line if line.contains("issuers") => ok(&json!({"items": [{"metadata": {"name": "letsencrypt"}}]})),
            line if line.contains("hidden") => status(403, "Forbidden", "not allowed"),
            _ => ok(&json!({"items": []})),
        });
        let deadline = minutes();
        let found = clusters.others("eu", "istio-system", &[Kind::POD], &deadline).await.unwrap();
        assert_eq!(found, [json!({"apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": {"name": "letsencrypt"}})]);
        let mut asked = asked.lock().unwrap().clone();
        asked.sort();
        let of = |path: &str| format!("GET {path}?limit=20");
        assert_eq!(
            asked,
            [
                "GET /api".to_owned(),
                of("/api/v1/namespaces/istio-system/resourcequotas"),
                "GET /apis".to_owned(),
                of("/apis/cert-manager.io/v1/namespaces/istio-system/issuers"),
                of("/apis/secret.example.com/v1/namespaces/istio-system/hidden"),
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_api_server_that_does_not_say_what_it_serves_is_not_taken_for_an_empty_one() {
        let (clusters, _) = scripted(|_, _| ok(&json!({"kind": "APIVersions", "versions": ["v1"]})));
        let failure = clusters.others("eu", "istio-system", &[], &minutes()).await.unwrap_err();
        assert!(failure.why.contains("Kubernetes 1.27"), "{}", failure.why);
    }

    #[tokio::test(start_paused = true)]
    async fn a_kind_whose_server_is_ill_leaves_it_open_what_there_is() {
        let list = [resource("loads", "Load", "Namespaced", &["list"])];
        let groups = json!({"kind": "APIGroupDiscoveryList", "items": [group("ill.example.com", &[("v1", "Current", list.to_vec())])]});
        let (clusters, _) = scripted(move |_, line| match line {
            "GET /api" | "GET /apis" => ok(&groups),
            _ => status(503, "ServiceUnavailable", "the server is currently unable to handle the request"),
        });
        let failure = clusters.others("eu", "istio-system", &[], &minutes()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Denied);
    }
}
