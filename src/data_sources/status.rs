//! `mesh_status`: whether the mesh is well, as a list of named checks.

use std::time::Duration;

use async_trait::async_trait;

use super::check::{CheckModel, configured_clusters, recorded};
use crate::{
    mesh::{ClusterKey, check::Status},
    world::{World, inventory},
};
use framework::{Cx, DataSource, Error, Observed, Parse, Set, Value, computed, model, optional};

model! {
    /// Whether the mesh is well: access, istiod, its webhooks and certificates, east-west gateways, exports, imports and sidecars of all clusters,
    /// and what the clusters must have in common. For `check` blocks, postconditions and outputs.
    ///
    /// It reads what the clusters hold and needs no resource of the configuration. All clusters are read at the same time. A cluster that can't be
    /// reached, or of which something may not be read, is a result and not an error of the data source.
    ///
    /// To check the mesh after the apply, let the data source depend on the mesh's resources (`depends_on`), or put it into a `check` block.
    pub struct StatusModel {
        /// Keys of the clusters to check; all of the provider's `clusters` if not set.
        clusters: Set<String> => optional(),
        /// The worst severity of all checks: `ok`, `warning`, `unknown` or `error`.
        verdict: String => computed(),
        /// One line for each check that isn't `ok`, the worst first, and with the likely cause of the others at the top. One line if all is well.
        summary: String => computed(),
        /// All checks, in the same order.
        checks: Vec<Value<CheckModel>> => computed(),
    }
}

/// Which clusters to check.
pub struct MeshStatus {
    clusters: Value<Set<String>>,
}

#[async_trait]
impl DataSource for MeshStatus {
    type World = World;
    type Model = StatusModel;
    type Spec = Self;
    type Status = Status;

    const NAME: &'static str = "mesh_status";
    const TIMEOUT: Duration = Duration::from_secs(60);

    fn parse(model: &StatusModel, parse: &mut Parse<'_>) -> Option<Self> {
        parse.each("clusters", &model.clusters, |key| ClusterKey::parse(key))?;
        Some(Self { clusters: model.clusters.clone() })
    }

    async fn read(spec: &Self, cx: &Cx<'_, World>) -> Result<Observed<Status>, Error> {
        let clusters = configured_clusters(&spec.clusters, cx)?;
        Ok(Observed::Found(Status::of(&inventory(&clusters, cx).await)))
    }

    fn record(status: &Status, model: &mut StatusModel) {
        (model.verdict, model.summary, model.checks) = recorded(status);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::{
        data::ObjectRef,
        ports::{
            Failure, FailureKind,
            fakes::{FakeClock, FakeObjects, FakeReleases},
        },
        world::Clusters,
    };
    use framework::{AttributePath, Outcome, decode, encode, erase_data_source};

    fn objects() -> Arc<FakeObjects> {
        let objects = Arc::new(FakeObjects::default());
        for cluster in ["us", "eu"] {
            objects.put(
                cluster,
                json!({
                    "apiVersion": "apps/v1", "kind": "Deployment",
                    "metadata": {"name": "istiod", "namespace": "istio-system", "labels": {"app": "istiod"}},
                    "spec": {"replicas": 1}, "status": {"readyReplicas": 1},
                }),
            );
        }
        objects
    }

    async fn read_in(world: &World, model: StatusModel) -> (Option<StatusModel>, Outcome) {
        let outcome = erase_data_source::<MeshStatus>().read(&encode(&Value::Value(model)), world, CancellationToken::new()).await;
        let found = match decode(&outcome.found, &AttributePath::root()).unwrap() {
            Value::Value(found) => Some(found),
            _ => None,
        };
        (found, outcome)
    }

    async fn read(objects: &Arc<FakeObjects>, keys: &[&str]) -> (Option<StatusModel>, Outcome) {
        let world = World::fake(objects, &Arc::new(FakeReleases::default()), &FakeClock::default());
        let clusters =
            if keys.is_empty() { Value::Null } else { Value::Value(keys.iter().map(|key| Value::Value((*key).to_owned())).collect()) };
        read_in(&world, StatusModel { clusters, ..StatusModel::default() }).await
    }

    fn summary(found: Option<StatusModel>) -> String {
        found.and_then(|found| found.summary.as_ref_option().cloned()).expect("a result")
    }

    #[tokio::test]
    async fn all_clusters_are_checked_unless_some_are_named() {
        let summary_of = async |keys: &[&str]| summary(read(&objects(), keys).await.0);
        let all = summary_of(&[]).await;
        assert!(all.starts_with("error webhook.injection: cluster eu:") && all.contains("cluster us:"), "{all}");
        let one = summary_of(&["us"]).await;
        assert!(one.starts_with("error webhook.injection: cluster us:") && !one.contains("cluster eu:"), "{one}");
    }

    #[tokio::test]
    async fn the_deployment_of_a_gateway_is_found_by_the_name_of_its_service() {
        let objects = objects();
        let metadata = json!({"name": "gw", "namespace": "istio-system"});
        let mut service = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": metadata,
            "spec": {"type": "LoadBalancer", "ports": [{"name": "tls", "port": 15443, "targetPort": 15443}]},
        });
        service["metadata"]["labels"]["topology.istio.io/network"] = json!("eu-net");
        objects.put("eu", service);
        let gateway = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"replicas": 2}, "status": {"readyReplicas": 1},
        });
        objects.put("eu", gateway);
        let summary = summary(read(&objects, &["eu"]).await.0);
        assert!(summary.contains("warning gateway.ready: cluster eu: istio-system/gw: 1 of 2 pods are ready."), "{summary}");
    }

    #[tokio::test]
    async fn a_cluster_that_is_down_is_a_result() {
        let objects = objects();
        objects.take_down("eu", Failure::new(FailureKind::Unreachable, "Can't reach the API server of cluster \"eu\"", "Refused."));
        let (found, outcome) = read(&objects, &[]).await;
        assert!(outcome.diagnostics.errors.is_empty(), "{:?}", outcome.diagnostics);
        let summary = summary(found);
        assert!(
            summary.starts_with("error cluster.reachable: cluster eu: Can't reach the API server of cluster \"eu\". Refused."),
            "{summary}"
        );
        assert!(summary.contains("cluster us:"), "the other one is checked: {summary}");
    }

    #[tokio::test]
    async fn what_may_not_be_read_is_a_result() {
        let objects = objects();
        let secret = ObjectRef::namespaced(crate::data::Kind::SECRET, "istio-system", "cacerts");
        objects.fail("eu", &secret, Failure::new(FailureKind::Denied, "Not allowed to get Secret istio-system/cacerts", "no"));
        let (found, _) = read(&objects, &["eu"]).await;
        let summary = summary(found);
        assert!(summary.contains("unknown cluster.readable: cluster eu:") && summary.contains("Not allowed to get Secret"), "{summary}");
    }

    #[tokio::test]
    async fn what_makes_no_sense_is_not_taken_for_the_defaults() {
        let objects = objects();
        let metadata = |name: &str| json!({"name": name, "namespace": "istio-system"});
        objects.put("eu", json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata("istio"), "data": {"mesh": "a: [" }}));
        objects.put("eu", json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata("cacerts"), "data": {"ca-cert.pem": "!"}}));
        let summary = summary(read(&objects, &["eu"]).await.0);
        for part in ["ConfigMap istio-system/istio (its key mesh is not YAML)", "Secret istio-system/cacerts (", "unknown ca.served"] {
            assert!(summary.contains(part), "{part} is not in {summary}");
        }
    }

    #[tokio::test]
    async fn clusters_that_arent_known_are_told_apart_from_those_that_dont_exist() {
        let objects = objects();
        let (found, outcome) = read(&objects, &["asia"]).await;
        assert!(found.is_none() && outcome.diagnostics.errors[0].detail.contains("no cluster `asia`"), "{:?}", outcome.diagnostics);
        let mut world = World::fake(&objects, &Arc::new(FakeReleases::default()), &FakeClock::default());
        world.clusters = Clusters::Known([("eu".to_owned(), false)].into());
        let (found, _) = read_in(&world, StatusModel::default()).await;
        assert_eq!(found.and_then(|found| found.verdict.as_ref_option().cloned()).as_deref(), Some("unknown"));
        world.clusters = Clusters::Unknown;
        let (_, outcome) = read_in(&world, StatusModel::default()).await;
        assert!(outcome.is_deferred, "{:?}", outcome.diagnostics);
    }
}
