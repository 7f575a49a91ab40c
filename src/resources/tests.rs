//! The life cycles with the fakes: what the protocol calls, and what it gets back.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use super::{
    Cluster, ClusterCa, ClusterCaModel, ClusterModel, EastwestGateway, EastwestGatewayModel, RootCa, RootCaModel, ServiceExport,
    ServiceExportModel,
};
use crate::world::{Clusters, Discover, InClusters, ListModel, World};
use crate::{
    data::{Kind, ObjectRef},
    ports::{
        Failure, FailureKind,
        fakes::{FakeClock, FakeObjects, FakeReleases},
    },
};
use framework::{
    AnyResource, AttributeConstraint, AttributePath, Datum, Diagnostics, Dynamic, Field, Forecast, Listed, Model, Resource, Value, decode,
    encode, erase, erase_listing, set_attribute,
};

/// A world of fakes, with a hand on each.
pub(super) struct Scene {
    pub(super) world: World,
    pub(super) objects: Arc<FakeObjects>,
    releases: Arc<FakeReleases>,
    clock: FakeClock,
}

pub(super) fn scene() -> Scene {
    let (objects, releases, clock) = (Arc::new(FakeObjects::default()), Arc::new(FakeReleases::default()), FakeClock::default());
    let world = World::fake(&objects, &releases, &clock);
    Scene { world, objects, releases, clock }
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
    erase::<R>().apply(prior, &config, planned::<R>(model), &scene.world, CancellationToken::new()).await
}

pub(super) async fn created<R: Resource<World = World>>(scene: &Scene, model: R::Model) -> Dynamic {
    let (state, diagnostics) = apply::<R>(scene, &Value::Null, model).await;
    assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
    state
}

pub(super) async fn read<R: Resource<World = World>>(scene: &Scene, state: &Dynamic) -> (Dynamic, Diagnostics) {
    let outcome = erase::<R>().read(state.clone(), &scene.world, CancellationToken::new()).await;
    (outcome.found, outcome.diagnostics)
}

pub(super) async fn destroy<R: Resource<World = World>>(scene: &Scene, state: &Dynamic) -> (Dynamic, Diagnostics) {
    erase::<R>().apply(state, &Value::Null, Value::Null, &scene.world, CancellationToken::new()).await
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

pub(super) fn unreachable() -> Failure {
    Failure::new(FailureKind::Unreachable, "Can't reach cluster \"eu\"", "Nobody answers.")
}

fn root() -> RootCaModel {
    RootCaModel { cluster: text("us"), ..RootCaModel::default() }
}

fn cluster_ca(root: &Dynamic) -> ClusterCaModel {
    let root: RootCaModel = model(root);
    let reference = super::cluster_ca::model::RootCaRef {
        cluster: root.cluster,
        namespace: root.namespace,
        name: root.name,
        fingerprint: root.fingerprint,
    };
    ClusterCaModel { cluster: text("eu"), root_ca: Value::Value(reference), ..ClusterCaModel::default() }
}

fn cluster() -> ClusterModel {
    ClusterModel { cluster: text("eu"), mesh_id: text("m"), network: text("eu-net"), ..ClusterModel::default() }
}

fn gateway() -> EastwestGatewayModel {
    EastwestGatewayModel { cluster: text("eu"), network: text("eu-net"), ..EastwestGatewayModel::default() }
}

pub(super) fn export(address: &str) -> ServiceExportModel {
    ServiceExportModel {
        host: text("echo.eu.mesh.local"),
        gateway: Value::Value(super::service_export::model::GatewayRef {
            cluster: text("eu"),
            namespace: text("istio-system"),
            name: text("istio-eastwestgateway"),
            port: Value::Value(15443),
            addresses: Value::Value(vec![text(address)]),
        }),
        namespace: text("echo"),
        service: text("echo"),
        importers: Value::Value([text("us")].into()),
        trust_domain: text("corp.local"),
        ..ServiceExportModel::default()
    }
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

fn injector() -> Json {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": {"name": "istio-sidecar-injector"},
        "webhooks": [{"name": "a", "clientConfig": {"caBundle": "abc"}}],
    })
}

fn secret(name: &str) -> ObjectRef {
    ObjectRef::namespaced(Kind::SECRET, "istio-system", name)
}

#[tokio::test]
async fn a_root_is_made_once_kept_and_removed_with_its_namespace() {
    let scene = scene();
    let state = created::<RootCa>(&scene, root()).await;
    assert_eq!(read::<RootCa>(&scene, &state).await.0, state);
    let (again, _) = apply::<RootCa>(&scene, &state, root()).await;
    assert_eq!(again, state, "an update keeps the root");
    let (refused, diagnostics) = apply::<RootCa>(&scene, &Value::Null, root()).await;
    assert!(
        refused.is_null() && diagnostics.errors[0].detail.contains("terraform import mesh_root_ca.<name> us/istio-system/mesh-root-ca")
    );
    assert!(destroy::<RootCa>(&scene, &state).await.0.is_null());
    assert_eq!(scene.objects.names("us"), [""; 0]);
}

#[tokio::test]
async fn the_key_is_in_no_state() {
    let scene = scene();
    let state = created::<RootCa>(&scene, root()).await;
    let ca = created::<ClusterCa>(&scene, cluster_ca(&state)).await;
    assert!(!format!("{state:?}{ca:?}").contains("key of"));
}

#[tokio::test]
async fn an_error_keeps_the_state_of_a_read_and_of_a_delete() {
    let scene = scene();
    let state = created::<RootCa>(&scene, root()).await;
    scene.objects.fail("us", &secret("mesh-root-ca"), unreachable());
    let (kept, diagnostics) = read::<RootCa>(&scene, &state).await;
    assert_eq!((kept, diagnostics.errors.len()), (state.clone(), 1));
    let (kept, diagnostics) = destroy::<RootCa>(&scene, &state).await;
    assert_eq!((kept, diagnostics.errors.len()), (state.clone(), 1));
    scene.objects.mend();
    scene.objects.put("us", json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "other", "namespace": "istio-system"}}));
    assert!(destroy::<RootCa>(&scene, &state).await.0.is_null());
    assert!(read::<RootCa>(&scene, &state).await.0.is_null(), "only what is certainly gone is forgotten");
}

#[tokio::test]
async fn an_intermediate_is_renewed_in_time_and_not_before() {
    let scene = scene();
    let root = created::<RootCa>(&scene, root()).await;
    let state = created::<ClusterCa>(&scene, cluster_ca(&root)).await;
    let plan = |state: &Dynamic| {
        let config = encode(&Value::Value(cluster_ca(&root)));
        erase::<ClusterCa>().plan(state, &config, state.clone(), Some(&scene.world)).state
    };
    assert_eq!(plan(&state), state);
    assert_eq!(apply::<ClusterCa>(&scene, &state, cluster_ca(&root)).await.0, state, "nothing is issued without a reason");
    scene.clock.advance(Duration::from_secs(680 * 24 * 3600));
    let renewal: ClusterCaModel = model(&plan(&state));
    assert!(renewal.certificate.is_unknown() && renewal.expires_at.is_unknown() && renewal.root_fingerprint.is_value());
    let (renewed, diagnostics) = apply::<ClusterCa>(&scene, &state, cluster_ca(&root)).await;
    assert!(diagnostics.errors.is_empty());
    assert_ne!(model::<ClusterCaModel>(&renewed).fingerprint, model::<ClusterCaModel>(&state).fingerprint);
    assert_eq!(plan(&renewed), renewed);
}

#[tokio::test]
async fn a_control_plane_that_fails_half_way_is_in_the_state_and_planned_again() {
    let scene = scene();
    scene.objects.put("eu", injector());
    scene.releases.fail("istiod", Failure::new(FailureKind::TimedOut, "Can't install istiod", "It takes too long."));
    let (state, diagnostics) = apply::<Cluster>(&scene, &Value::Null, cluster()).await;
    assert_eq!(diagnostics.errors.len(), 1);
    assert_eq!(drift(&state), ["the last apply did not finish: Can't install istiod"]);
    assert_eq!(scene.releases.names("eu"), ["istio-system/istio-base", "istio-system/istiod"]);
    scene.releases.mend();
    let (state, diagnostics) = apply::<Cluster>(&scene, &state, cluster()).await;
    assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
    assert_eq!(drift(&state), [""; 0]);
    assert_eq!(read::<Cluster>(&scene, &state).await.0, state);
    assert!(destroy::<Cluster>(&scene, &state).await.0.is_null());
    assert_eq!(scene.releases.names("eu"), [""; 0]);
    assert_eq!(scene.objects.names("eu"), ["MutatingWebhookConfiguration istio-sidecar-injector"]);
}

#[tokio::test]
async fn a_control_plane_with_another_root_is_not_installed() {
    let scene = scene();
    let root = created::<RootCa>(&scene, root()).await;
    created::<ClusterCa>(&scene, cluster_ca(&root)).await;
    let ca = super::cluster::ClusterCaRef { cluster: text("eu"), root_fingerprint: text("another") };
    let (state, diagnostics) = apply::<Cluster>(&scene, &Value::Null, ClusterModel { ca: Value::Value(ca), ..cluster() }).await;
    assert!(state.is_null());
    assert!(diagnostics.errors[0].detail.contains("not another"), "{:?}", diagnostics.errors);
    assert_eq!(scene.releases.names("eu"), [""; 0]);
}

#[tokio::test]
async fn clusters_on_one_network_are_warned_of_in_one_run() {
    let scene = scene();
    let plan = |key: &str| {
        let config = encode(&Value::Value(ClusterModel { cluster: text(key), ..cluster() }));
        erase::<Cluster>().plan(&Value::Null, &config, config.clone(), Some(&scene.world)).diagnostics
    };
    assert!(plan("us").warnings.is_empty());
    assert!(plan("us").warnings.is_empty(), "the same cluster, planned once more");
    assert!(plan("eu").warnings[0].detail.contains("Clusters `eu` and `us`"));
    assert!(plan("asia").errors[0].detail.contains("it has `eu`, `us`"));
}

#[tokio::test]
async fn a_gateway_is_there_when_it_has_an_address() {
    let scene = scene();
    let timeouts = framework::Timeouts { create: text("50ms"), ..framework::Timeouts::default() };
    let waiting = EastwestGatewayModel { timeouts: Value::Value(timeouts), ..gateway() };
    let (state, diagnostics) = apply::<EastwestGateway>(&scene, &Value::Null, waiting).await;
    assert!(diagnostics.errors[0].detail.contains("waiting for the load balancer"), "{:?}", diagnostics.errors);
    assert_eq!(drift(&state).len(), 1);
    scene.objects.put("eu", balancer("198.51.100.9"));
    let (state, _) = apply::<EastwestGateway>(&scene, &state, gateway()).await;
    assert_eq!(model::<EastwestGatewayModel>(&state).addresses, Value::Value(vec![text("198.51.100.9")]));
    scene.objects.put("eu", balancer("198.51.100.10"));
    let (moved, _) = read::<EastwestGateway>(&scene, &state).await;
    assert_eq!(model::<EastwestGatewayModel>(&moved).addresses, Value::Value(vec![text("198.51.100.10")]));
}

#[tokio::test]
async fn what_isnt_known_yet_is_not_looked_at() {
    let mut scene = scene();
    let state = created::<RootCa>(&scene, root()).await;
    scene.world.clusters = Clusters::Unknown;
    let (kept, diagnostics) = read::<RootCa>(&scene, &state).await;
    assert!(kept == state && diagnostics.errors.is_empty());
}

pub(super) async fn import(resource: Box<dyn AnyResource<World>>, scene: &Scene, id: &str) -> Dynamic {
    let imported = resource.import(id, &scene.world, CancellationToken::new()).await;
    assert!(imported.diagnostics.errors.is_empty(), "{id}: {:?}", imported.diagnostics.errors);
    resource.read(imported.found, &scene.world, CancellationToken::new()).await.found
}

#[tokio::test]
async fn everything_is_imported_as_it_was_made() {
    let scene = scene();
    scene.objects.put("eu", injector());
    scene.objects.put("eu", echo());
    scene.objects.put("eu", balancer("198.51.100.9"));
    let root = created::<RootCa>(&scene, root()).await;
    assert_eq!(import(erase::<RootCa>(), &scene, "us/istio-system/mesh-root-ca").await, root);
    let ca = created::<ClusterCa>(&scene, cluster_ca(&root)).await;
    assert_eq!(import(erase::<ClusterCa>(), &scene, "eu/istio-system").await, ca);
    let reference = super::cluster::ClusterCaRef { cluster: text("eu"), root_fingerprint: model::<ClusterCaModel>(&ca).root_fingerprint };
    let made = created::<Cluster>(&scene, ClusterModel { ca: Value::Value(reference), mtls_mode: text("STRICT"), ..cluster() }).await;
    assert_eq!(import(erase::<Cluster>(), &scene, "eu/istio-system").await, made);
    let made = created::<EastwestGateway>(&scene, gateway()).await;
    assert_eq!(import(erase::<EastwestGateway>(), &scene, "eu/istio-system/istio-eastwestgateway").await, made);
    let made = created::<ServiceExport>(&scene, export("198.51.100.9")).await;
    assert_eq!(import(erase::<ServiceExport>(), &scene, "eu/echo/echo.eu.mesh.local").await, made);
    let nothing = erase::<Cluster>().import("us/istio-system", &scene.world, CancellationToken::new()).await;
    assert!(nothing.found.is_null() && nothing.diagnostics.errors[0].detail.contains("no Helm release istio-system/istiod"));
    let wrong = erase::<Cluster>().import("us", &scene.world, CancellationToken::new()).await;
    assert!(wrong.diagnostics.errors[0].detail.contains("CLUSTER/NAMESPACE"));
    let odd = erase::<Cluster>().import("us/istio system?x", &scene.world, CancellationToken::new()).await;
    assert_eq!(odd.diagnostics.errors[0].summary, "Wrong import name");
}

/// The names that a listing finds in some clusters, or all; and what went wrong.
async fn list<R: Discover>(scene: &Scene, clusters: Option<&[&str]>) -> (Vec<String>, Vec<String>) {
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

#[tokio::test]
async fn everything_that_exists_is_listed() {
    let mut scene = scene();
    scene.objects.put("eu", injector());
    scene.objects.put("eu", echo());
    scene.objects.put("eu", balancer("198.51.100.9"));
    let root = created::<RootCa>(&scene, root()).await;
    created::<ClusterCa>(&scene, cluster_ca(&root)).await;
    created::<Cluster>(&scene, cluster()).await;
    created::<EastwestGateway>(&scene, gateway()).await;
    created::<ServiceExport>(&scene, export("198.51.100.9")).await;
    let nothing = (Vec::<String>::new(), Vec::<String>::new());
    let only = |name: &str| (vec![name.to_owned()], Vec::<String>::new());
    assert_eq!(list::<RootCa>(&scene, None).await, only("us/istio-system/mesh-root-ca"));
    assert_eq!(list::<RootCa>(&scene, Some(&["eu"])).await, nothing);
    assert_eq!(list::<ClusterCa>(&scene, None).await, only("eu/istio-system"));
    assert_eq!(list::<Cluster>(&scene, None).await, only("eu/istio-system"));
    assert_eq!(list::<EastwestGateway>(&scene, None).await, only("eu/istio-system/istio-eastwestgateway"));
    assert_eq!(list::<ServiceExport>(&scene, None).await, only("eu/echo/echo.eu.mesh.local"));
    assert!(list::<Cluster>(&scene, Some(&["asia"])).await.1[0].contains("it has `eu`, `us`"));

    // A CA that somebody else made is listed where istiod is: it can be imported.
    let mut foreign = scene.objects.live("eu", &secret("cacerts")).expect("the Secret");
    foreign["metadata"]["labels"] = json!({});
    scene.objects.put("eu", foreign);
    assert_eq!(list::<ClusterCa>(&scene, None).await, only("eu/istio-system"));

    scene.objects.fail("eu", &secret("cacerts"), unreachable());
    let (_, errors) = list::<ClusterCa>(&scene, None).await;
    assert_eq!(errors, ["Nobody answers."]);
    scene.world.clusters = Clusters::Unknown;
    assert!(list::<RootCa>(&scene, None).await.1[0].contains("known only after an apply"));
}
