//! What is in a namespace: objects of all kinds that the API server serves, as its discovery lists them.

use std::collections::HashSet;

use async_trait::async_trait;
use framework::Deadline;
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::Value as Json;

use super::{
    Kubernetes,
    request::{Call, METADATA, escape},
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

/// Groups of which nothing is stored: what they serve is measured when it is asked for.
const MEASURED: &[&str] = &["metrics.k8s.io", "custom.metrics.k8s.io", "external.metrics.k8s.io"];

/// How many objects of a kind are returned: enough to name them.
const MOST: usize = 20;

/// How many objects of a kind are asked for at a time. A network plugin has one for each pod, and what counts may come after all of these.
const PAGE: usize = 500;

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
        format!("{root}/{}/namespaces/{namespace}/{}?limit={PAGE}", self.api_version(), self.plural)
    }
}

/// Returns a group of which the discovery can't tell what it has, as it is served elsewhere and doesn't answer.
fn unknown(answer: &Json) -> Option<&str> {
    let is_stale = |group: &&Json| {
        let versions = group["versions"].as_array();
        versions.into_iter().flatten().any(|version| version["freshness"] == "Stale")
    };
    let mut names =
        answer["items"].as_array().into_iter().flatten().filter(is_stale).filter_map(|group| group["metadata"]["name"].as_str());
    names.find(|name| !MEASURED.contains(name))
}

/// Reads the kinds off an answer of the discovery: those that have a namespace and can be listed, each in its preferred version.
fn served(answer: &Json) -> Vec<Served> {
    let array = |value: &Json| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    for group in array(&answer["items"]) {
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
            // An end of the namespace would wait for it, too.
            if let Some(group) = unknown(&answer) {
                let why = format!(
                    "The objects of the API group {group} are served by another server than the API server's, and that one doesn't answer."
                );
                let failure = Failure::new(FailureKind::Denied, attempt.title(), why);
                return Err(failure.advice(format!("Look at the APIService of {group}: `kubectl get apiservices`.")));
            }
            all.extend(served(&answer));
        }
        Ok(all)
    }

    /// Returns some objects of a kind that count.
    async fn some(
        &self,
        cluster: &str,
        namespace: &str,
        kind: &Served,
        counts: &(dyn for<'c> Fn(&'c Json) -> bool + Sync),
        deadline: &Deadline,
    ) -> Result<Vec<Json>, Failure> {
        let attempt = Attempt::new(cluster, Verb::List, format!("{} of namespace {namespace}", kind.plural));
        let (path, mut found, mut next) = (kind.path(namespace), Vec::new(), String::new());
        loop {
            let mut answer = match self.send(&attempt, &Call { accept: METADATA, ..Call::get(format!("{path}{next}")) }, deadline).await {
                Err(failure) if matches!(failure.kind, FailureKind::Denied | FailureKind::NotFound) => return Ok(found),
                Err(failure) if matches!(failure.kind, FailureKind::Interrupted | FailureKind::TimedOut) => return Err(failure),
                Err(failure) => return Err(Failure { kind: FailureKind::Denied, ..failure }),
                Ok(answer) => answer,
            };
            for mut item in answer["items"].as_array_mut().map(std::mem::take).unwrap_or_default() {
                item["apiVersion"] = kind.api_version().into();
                item["kind"] = kind.kind.as_str().into();
                if counts(&item) && found.len() < MOST {
                    found.push(item);
                }
            }
            match answer["metadata"]["continue"].as_str() {
                Some(token) if !token.is_empty() && found.len() < MOST => next = format!("&continue={}", escape(token)),
                _ => return Ok(found),
            }
        }
    }
}

#[async_trait]
impl Namespaces for Kubernetes {
    async fn others(
        &self,
        cluster: &str,
        namespace: &str,
        named: &[Kind],
        counts: &(dyn for<'c> Fn(&'c Json) -> bool + Sync),
        deadline: &Deadline,
    ) -> Result<Vec<Json>, Failure> {
        let mut kinds = self.served(cluster, deadline).await?;
        kinds.retain(|kind| !named.iter().any(|named| (named.group, named.plural) == (kind.group.as_str(), kind.plural.as_str())));
        let lists = kinds.into_iter().map(|kind| async move { self.some(cluster, namespace, &kind, counts, deadline).await });
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
            group("metrics.k8s.io", &[("v1beta1", "Stale", vec![resource("loads", "Load", "Namespaced", &list)])]),
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
        let found = clusters.others("eu", "istio-system", &[Kind::POD], &|_| true, &deadline).await.unwrap();
        assert_eq!(found, [json!({"apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": {"name": "letsencrypt"}})]);
        let mut asked = asked.lock().unwrap().clone();
        asked.sort();
        let of = |path: &str| format!("GET {path}?limit=500");
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

    /// A cluster with one kind besides those of the core.
    fn with_endpoints(freshness: &str) -> Json {
        let list = ["get", "list"];
        let groups = [group("cilium.io", &[("v2", freshness, vec![resource("ciliumendpoints", "CiliumEndpoint", "Namespaced", &list)])])];
        json!({"kind": "APIGroupDiscoveryList", "items": groups})
    }

    #[tokio::test(start_paused = true)]
    async fn what_counts_is_found_behind_any_number_of_others() {
        let named = |name: String| json!({"metadata": {"name": name}});
        let (clusters, asked) = scripted(move |_, line| match line {
            "GET /api" => ok(&json!({"kind": "APIGroupDiscoveryList", "items": []})),
            "GET /apis" => ok(&with_endpoints("Current")),
            line if line.ends_with("&continue=next%3D") => {
                let items: Vec<_> = (0..30).map(|count| named(format!("mine-{count}"))).collect();
                ok(&json!({"metadata": {"continue": "more"}, "items": items}))
            }
            _ => {
                let items: Vec<_> = (0..500).map(|count| named(format!("pod-{count}"))).collect();
                ok(&json!({"metadata": {"continue": "next="}, "items": items}))
            }
        });
        let counts = |object: &Json| object["metadata"]["name"].as_str().is_some_and(|name| name.starts_with("mine"));
        let found = clusters.others("eu", "istio-system", &[], &counts, &minutes()).await.unwrap();
        assert_eq!((found.len(), &found[0]["kind"]), (MOST, &json!("CiliumEndpoint")));
        assert_eq!(asked.lock().unwrap().len(), 4, "enough of them to name some");
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_that_another_server_does_not_serve_now_is_not_taken_for_empty() {
        let (clusters, _) = scripted(move |_, line| match line {
            "GET /apis" => ok(&with_endpoints("Stale")),
            _ => ok(&json!({"kind": "APIGroupDiscoveryList", "items": []})),
        });
        let failure = clusters.others("eu", "istio-system", &[], &|_| true, &minutes()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Denied);
        assert!(failure.why.contains("API group cilium.io") && failure.advice.contains("kubectl get apiservices"), "{failure}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_api_server_that_does_not_say_what_it_serves_is_not_taken_for_an_empty_one() {
        let (clusters, _) = scripted(|_, _| ok(&json!({"kind": "APIVersions", "versions": ["v1"]})));
        let failure = clusters.others("eu", "istio-system", &[], &|_| true, &minutes()).await.unwrap_err();
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
        let failure = clusters.others("eu", "istio-system", &[], &|_| true, &minutes()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Denied);
    }
}
