//! What the tests of the resources share: a world of fakes, configurations to start from, and the calls of the protocol.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use super::{ClusterCaModel, ClusterModel, EastwestGatewayModel, RootCaModel, ServiceExportModel, ServiceImportModel};
use crate::world::{Discover, InClusters, ListModel, World};
use crate::{
    data::{Kind, Mark, ObjectRef},
    ports::{
        Failure, FailureKind,
        fakes::{FakeClock, FakeObjects, FakeReleases},
    },
};
use framework::{
    AnyResource, AttributeConstraint, AttributePath, Change, Datum, Deadline, Diagnostics, Dynamic, Field, Forecast, Listed, Model, Parse,
    Provider, Resource, Value, decode, encode, erase, erase_listing, set_attribute,
};

/// A world of fakes, with a hand on each.
pub(super) struct Scene {
    pub(super) world: World,
    pub(super) objects: Arc<FakeObjects>,
    pub(super) releases: Arc<FakeReleases>,
    pub(super) clock: FakeClock,
}

pub(super) fn scene() -> Scene {
    let (objects, releases, clock) = (Arc::new(FakeObjects::default()), Arc::new(FakeReleases::default()), FakeClock::default());
    let world = World::fake(&objects, &releases, &clock);
    Scene { world, objects, releases, clock }
}

/// The provider with its own resources, in a world of fakes, which each configuration opens.
#[derive(Clone)]
pub(super) struct FakeMesh(pub(super) Arc<dyn Fn() -> World + Send + Sync>);

#[async_trait::async_trait]
impl Provider for FakeMesh {
    type World = World;
    type Model = framework::Timeouts;
    type Spec = ();

    fn name(&self) -> &'static str {
        "mesh"
    }

    fn parse(&self, _: &framework::Timeouts, _: &mut Parse<'_>) -> Option<()> {
        Some(())
    }

    async fn configure(&self, (): (), _: &mut framework::Setup) -> Result<World, framework::Error> {
        Ok((self.0)())
    }

    fn resources(&self) -> Vec<Box<dyn AnyResource<World>>> {
        super::all()
    }
}

/// A configuration as it is planned: with the schema's defaults, and unknown in what is computed.
pub(super) fn planned<R: Resource>(model: R::Model) -> Dynamic {
    let mut plan = encode(&Value::Value(model));
    for attribute in R::Model::attributes() {
        let is_null = framework::attribute(&plan, attribute.name).is_null();
        match (&attribute.rules.forecast, &attribute.rules.default) {
            (Forecast::Settled(value), _) => set_attribute(&mut plan, attribute.name, value.clone()),
            (_, Some(default)) if is_null => set_attribute(&mut plan, attribute.name, default.clone()),
            _ if attribute.rules.constraint == AttributeConstraint::Computed => set_attribute(&mut plan, attribute.name, Value::Unknown),
            _ => {}
        }
    }
    plan
}

pub(super) async fn apply<R: Resource<World = World>>(scene: &Scene, prior: &Dynamic, model: R::Model) -> (Dynamic, Diagnostics) {
    let config = encode(&Value::Value(model.clone()));
    let change = Change { prior, config: &config, planned: planned::<R>(model), unfinished: None, is_resumed: false };
    let applied = erase::<R>().apply(change, &mut framework::Memory::new(), &scene.world, CancellationToken::new()).await;
    (applied.state, applied.diagnostics)
}

/// Looks at what exists, as the plan of a create does.
pub(super) async fn preview<R: Resource<World = World>>(scene: &Scene, model: R::Model) -> (Dynamic, Diagnostics) {
    erase::<R>().preview(planned::<R>(model), &scene.world, CancellationToken::new()).await
}

pub(super) async fn created<R: Resource<World = World>>(scene: &Scene, model: R::Model) -> Dynamic {
    let (state, diagnostics) = apply::<R>(scene, &Value::Null, model).await;
    assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
    state
}

/// More than half a minute in which a cluster's API server doesn't answer; it begins after a moment, when an apply waits. Afterwards nothing
/// fails. For tests with a clock of their own.
pub(super) async fn outage(scene: &Scene, cluster: &str) {
    let deadline = Deadline::after(Duration::from_secs(600), CancellationToken::new());
    deadline.pause(Duration::from_secs(3)).await.expect("time is left");
    scene.objects.take_down(cluster, unreachable());
    deadline.pause(Duration::from_secs(35)).await.expect("time is left");
    scene.objects.mend();
}

/// The mark of a create that was killed, for a cluster's key.
pub(super) fn mark(cluster: &str) -> Mark {
    Mark { cluster: cluster.to_owned(), run: "here.killed".to_owned(), until: time::macros::datetime!(2030-01-01 00:10 UTC) }
}

pub(super) async fn read<R: Resource<World = World>>(scene: &Scene, state: &Dynamic) -> (Dynamic, Diagnostics) {
    let outcome = erase::<R>().read(state.clone(), &mut framework::Memory::new(), &scene.world, CancellationToken::new()).await;
    (outcome.found, outcome.diagnostics)
}

pub(super) async fn destroy<R: Resource<World = World>>(scene: &Scene, state: &Dynamic) -> (Dynamic, Diagnostics) {
    let change = Change { prior: state, config: &Value::Null, planned: Value::Null, unfinished: None, is_resumed: false };
    let applied = erase::<R>().apply(change, &mut framework::Memory::new(), &scene.world, CancellationToken::new()).await;
    (applied.state, applied.diagnostics)
}

pub(super) fn model<M: Model>(state: &Dynamic) -> M {
    match decode::<M>(state, &AttributePath::root()) {
        Ok(Value::Value(model)) => model,
        _ => panic!("no state"),
    }
}

pub(super) fn text(text: &str) -> Value<String> {
    Value::Value(text.to_owned())
}

pub(super) fn drift(state: &Dynamic) -> Vec<String> {
    match framework::attribute(state, "drift") {
        Value::Value(Datum::List(lines)) => {
            lines.iter().filter_map(|line| String::decode(line.as_ref_option()?, &AttributePath::root()).ok()).collect()
        }
        other => panic!("no drift: {other:?}"),
    }
}

/// The range from which a cluster gives its Services addresses.
pub(super) fn service_range(cidr: &str) -> Json {
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "metadata": {"name": "kubernetes"}, "spec": {"cidrs": [cidr]}})
}

pub(super) fn words(diagnostics: &Diagnostics) -> String {
    let all = diagnostics.errors.iter().chain(&diagnostics.warnings);
    all.map(|one| format!("{}: {}", one.summary, one.detail)).collect::<Vec<_>>().join("\n")
}

pub(super) fn unreachable() -> Failure {
    Failure::new(FailureKind::Unreachable, "Can't reach cluster \"eu\"", "Nobody answers.")
}

pub(super) fn root() -> RootCaModel {
    RootCaModel { cluster: text("us"), ..RootCaModel::default() }
}

pub(super) fn cluster_ca(root: &Dynamic) -> ClusterCaModel {
    let root: RootCaModel = model(root);
    let reference = super::cluster_ca::model::RootCaRef {
        cluster: root.cluster,
        namespace: root.namespace,
        name: root.name,
        fingerprint: root.fingerprint,
    };
    ClusterCaModel { cluster: text("eu"), root_ca: Value::Value(reference), ..ClusterCaModel::default() }
}

pub(super) fn cluster() -> ClusterModel {
    ClusterModel { cluster: text("eu"), mesh_id: text("m"), network: text("eu-net"), ..ClusterModel::default() }
}

pub(super) fn gateway() -> EastwestGatewayModel {
    EastwestGatewayModel { cluster: text("eu"), network: text("eu-net"), ..EastwestGatewayModel::default() }
}

pub(super) fn export(address: &str) -> ServiceExportModel {
    ServiceExportModel {
        host: text("echo.eu.mesh.local"),
        gateway: Value::Value(super::service_export::model::GatewayRef {
            cluster: text("eu"),
            namespace: text("istio-system"),
            name: text("istio-eastwestgateway"),
            service_name: Value::Null,
            label: Value::Null,
            port: Value::Value(15443),
            addresses: Value::Value(vec![text(address)]),
        }),
        namespace: text("echo"),
        service: text("echo"),
        importers: Value::Value([text("us")].into()),
        trust_domain: text("corp.local"),
        adopt: Value::Value(false),
        ..ServiceExportModel::default()
    }
}

/// An import of what an export offers.
pub(super) fn import_of(export: &Dynamic) -> ServiceImportModel {
    let offered = framework::attribute(export, "import");
    let service = decode(offered, &AttributePath::new("service")).expect("the attributes of a service");
    ServiceImportModel { cluster: text("us"), service, ..ServiceImportModel::default() }
}

pub(super) fn echo() -> Json {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "echo", "namespace": "echo"},
        "spec": {"selector": {"app": "echo"}, "clusterIP": "10.0.0.1", "ports": [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]},
    })
}

pub(super) fn balancer(address: &str) -> Json {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "istio-eastwestgateway", "namespace": "istio-system"},
        "status": {"loadBalancer": {"ingress": [{"ip": address}]}},
    })
}

pub(super) fn injector() -> Json {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": {"name": "istio-sidecar-injector"},
        "webhooks": [{"name": "a", "clientConfig": {"caBundle": "abc"}}],
    })
}

/// A pod of istiod.
pub(super) fn istiod(namespace: &str) -> Json {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "istiod-a", "namespace": namespace, "labels": {"app": "istiod"}},
        "spec": {"containers": [{"name": "discovery", "image": "docker.io/istio/pilot:1.31.0"}]}, "status": {"phase": "Running"},
    })
}

/// The definition that a ServiceExport needs.
pub(super) fn mcs_api() -> Json {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "serviceexports.multicluster.x-k8s.io"},
        "spec": {"group": "multicluster.x-k8s.io", "versions": [{"name": "v1alpha1", "served": true}]},
    })
}

/// The definition that a link needs.
pub(super) fn gateway_api() -> Json {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "gateways.gateway.networking.k8s.io"},
        "spec": {"group": "gateway.networking.k8s.io", "versions": [{"name": "v1", "served": true}]},
        "status": {"conditions": [{"type": "Established", "status": "True"}]},
    })
}

pub(super) fn secret(name: &str) -> ObjectRef {
    ObjectRef::namespaced(Kind::SECRET, "istio-system", name)
}

pub(super) async fn import(resource: Box<dyn AnyResource<World>>, scene: &Scene, id: &str) -> Dynamic {
    let imported = resource.import(id, &scene.world, CancellationToken::new()).await;
    assert!(imported.diagnostics.errors.is_empty(), "{id}: {:?}", imported.diagnostics.errors);
    resource.read(imported.found, &mut framework::Memory::new(), &scene.world, CancellationToken::new()).await.found
}

/// The names that a listing finds in some clusters, or all; and what went wrong.
pub(super) async fn list<R: Discover>(scene: &Scene, clusters: Option<&[&str]>) -> (Vec<String>, Vec<String>) {
    let clusters = clusters.map_or(Value::Null, |keys| Value::Value(keys.iter().map(|key| text(key)).collect()));
    let filter = encode(&Value::Value(ListModel { clusters }));
    let listing = erase_listing::<InClusters<R>>();
    let search = async |whole| {
        let (sender, mut results) = tokio::sync::mpsc::channel(1);
        let listing = listing.list(&filter, usize::MAX, whole, &scene.world, CancellationToken::new(), sender);
        let collect = async {
            let (mut found, mut failures) = (BTreeMap::new(), Vec::new());
            while let Some(result) = results.recv().await {
                match result {
                    Listed::Object(object) => _ = found.insert(object.id.clone(), object),
                    Listed::Failed(error) => failures.push(error.detail),
                }
            }
            (found, failures)
        };
        let (ended, (found, mut failures)) = tokio::join!(listing, collect);
        failures.extend(ended.errors.into_iter().map(|error| error.detail.into_owned()));
        (found, failures)
    };
    let ((listed, failures), (whole, _)) = (search(false).await, search(true).await);
    let identity = erase::<R>().identity().expect("an identity");
    for (id, found) in &whole {
        assert!(found.state.is_value() && found.diagnostics.errors.is_empty(), "{id}: {:?}", found.diagnostics);
        let named = identity.of_import_name(id).expect("an identity");
        assert_eq!(identity.of(&found.state), Some(named), "the import ID, the identity and the state are of one object");
    }
    assert!(listed.keys().eq(whole.keys()));
    (listed.into_keys().collect(), failures)
}
