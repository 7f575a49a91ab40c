//! The life cycle of an export, with the fakes.

use serde_json::json;

use super::{ServiceExport, ServiceExportModel, ports::PortModel};
use crate::{
    data::{Kind, ObjectRef},
    ports::{Failure, FailureKind},
    resources::testing::{Scene, apply, balancer, created, destroy, drift, echo, export, import, model, read, scene, text, unreachable},
    world::Clusters,
};
use framework::{Dynamic, Value, encode, erase};

const ADDRESS: &str = "198.51.100.9";

/// An export with every optional attribute set.
fn full() -> ServiceExportModel {
    let port = |number: i64, name: Option<&str>, protocol: &str, target_port: Option<i64>| {
        Value::Value(PortModel {
            number: Value::Value(number),
            name: name.map(str::to_owned).into(),
            protocol: text(protocol),
            target_port: target_port.into(),
        })
    };
    let mut full = ServiceExportModel {
        importer_namespace: text("istio-config"),
        export_to: Value::Value([text("."), text("shop")].into()),
        vip: text("240.0.0.2"),
        ports: Value::Value(vec![port(80, Some("web"), "HTTP", Some(8080)), port(5432, None, "TCP", None)]),
        selector: Value::Value([("app".to_owned(), text("echo")), ("tier".to_owned(), text("front"))].into()),
        service_accounts: Value::Value([text("echo"), text("echo-canary")].into()),
        trust_domain: text("corp.local"),
        locality: text("eu-west-1/a"),
        ..export(ADDRESS)
    };
    if let Value::Value(gateway) = &mut full.gateway {
        gateway.port = Value::Value(443);
    }
    full
}

/// The state after a plan and an apply of nothing but what the configuration sets; it must have what was imported.
fn replanned(scene: &Scene, state: &Dynamic, config: ServiceExportModel) -> Dynamic {
    let mut planned: ServiceExportModel = model(state);
    let computed = (planned.service_ports, planned.identities, planned.drift);
    planned = ServiceExportModel { service_ports: computed.0, identities: computed.1, drift: computed.2, ..config.clone() };
    erase::<ServiceExport>().plan(state, &encode(&Value::Value(config)), encode(&Value::Value(planned)), Some(&scene.world)).state
}

#[tokio::test]
async fn an_export_with_every_attribute_is_imported_as_it_was_made() {
    let scene = scene();
    scene.objects.put("eu", echo());
    scene.objects.put("eu", balancer(ADDRESS));
    let made = created::<ServiceExport>(&scene, full()).await;
    let imported = import(erase::<ServiceExport>(), &scene, "eu/echo/echo.eu.mesh.local").await;
    assert_eq!(imported, made);
    assert_eq!(replanned(&scene, &imported, full()), imported, "the plan after an import is empty");
}

#[tokio::test]
async fn an_export_of_the_first_release_is_imported() {
    let scene = scene();
    scene.objects.put("eu", echo());
    scene.objects.put("eu", balancer(ADDRESS));
    created::<ServiceExport>(&scene, ServiceExportModel { export_to: Value::Null, ..full() }).await;
    let entry = ObjectRef::namespaced(Kind::SERVICE_ENTRY, "echo", "mesh-export-echo-eu-mesh-local");
    let mut of_0_1 = scene.objects.live("eu", &entry).expect("the entry");
    of_0_1["metadata"]["annotations"]["mesh.terraform.io/export-record"] = json!(
        r#"{"service":"echo","gatewayName":"istio-eastwestgateway","gatewayNamespace":"istio-system","importers":["us"],"importerNamespace":"istio-config","vip":"240.0.0.2","ports":[{"number":80,"name":"web","protocol":"http","targetPort":8080},{"number":5432,"protocol":"TCP"}],"selector":{"app":"echo","tier":"front"},"serviceAccounts":["echo","echo-canary"],"trustDomain":"corp.local","locality":"eu-west-1/a"}"#
    );
    scene.objects.put("eu", of_0_1);
    let imported: ServiceExportModel = model(&import(erase::<ServiceExport>(), &scene, "eu/echo/echo.eu.mesh.local").await);
    let ServiceExportModel { ports, vip, selector, service_accounts, importer_namespace, trust_domain, locality, .. } = full();
    assert_eq!((imported.ports, imported.vip, imported.selector), (ports, vip, selector));
    assert_eq!((imported.service_accounts, imported.importer_namespace), (service_accounts, importer_namespace));
    assert_eq!((imported.trust_domain, imported.locality, imported.export_to), (trust_domain, locality, Value::Null));
}

#[test]
fn the_audience_is_checked() {
    let problems = |elements: &[&str]| {
        let elements = elements.iter().map(|element| text(element)).collect();
        let config = ServiceExportModel { export_to: Value::Value(elements), ..export(ADDRESS) };
        let diagnostics = erase::<ServiceExport>().validate(&encode(&Value::Value(config)));
        diagnostics.errors.into_iter().map(|error| error.detail.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(problems(&["*"]), [""; 0]);
    assert_eq!(problems(&[".", "shop"]), [""; 0]);
    assert!(problems(&["*", "shop"])[0].contains("`*` means all namespaces already"));
    assert!(problems(&[])[0].contains("at least one"));
    assert!(problems(&["~"])[0].contains("\".\" (the objects' own)"));
}

#[tokio::test]
async fn an_export_follows_the_gateway_the_service_and_the_importers() {
    let scene = scene();
    let refused = apply::<ServiceExport>(&scene, &Value::Null, export("198.51.100.9")).await;
    assert!(refused.0.is_null() && refused.1.errors[0].summary == "No such Service", "{:?}", refused.1.errors);

    scene.objects.put("eu", echo());
    let state = created::<ServiceExport>(&scene, export("198.51.100.9")).await;
    assert_eq!(read::<ServiceExport>(&scene, &state).await.0, state);
    let entry = ObjectRef::namespaced(Kind::SERVICE_ENTRY, "istio-system", "mesh-export-echo-eu-mesh-local");
    let endpoint = |scene: &Scene| scene.objects.live("us", &entry).map(|live| live["spec"]["endpoints"][0]["address"].clone());
    assert_eq!(endpoint(&scene), Some(json!("198.51.100.9")));

    let (state, _) = apply::<ServiceExport>(&scene, &state, export("198.51.100.10")).await;
    assert_eq!(endpoint(&scene), Some(json!("198.51.100.10")));

    let mut changed = echo();
    changed["spec"]["ports"][0]["port"] = json!(81);
    scene.objects.put("eu", changed);
    let (drifted, _) = read::<ServiceExport>(&scene, &state).await;
    assert!(drift(&drifted).iter().any(|line| line.contains("81 wanted, 80 found")), "{:?}", drift(&drifted));

    let nobody = ServiceExportModel { importers: Value::Value([].into()), ..export("198.51.100.10") };
    let (state, _) = apply::<ServiceExport>(&scene, &state, nobody).await;
    assert_eq!(endpoint(&scene), None, "who imports no more is sent there no more");

    assert!(destroy::<ServiceExport>(&scene, &state).await.0.is_null());
    assert_eq!(scene.objects.names("eu"), ["Service echo/echo"]);
}

#[tokio::test]
async fn what_stays_behind_in_a_cluster_that_is_given_up_is_told() {
    let mut scene = scene();
    scene.objects.put("eu", echo());
    let state = created::<ServiceExport>(&scene, export("198.51.100.9")).await;
    let nobody = ServiceExportModel { importers: Value::Value([].into()), ..model(&state) };
    let plan = |scene: &Scene| {
        let planned = encode(&Value::Value(nobody.clone()));
        erase::<ServiceExport>().plan(&state, &planned, planned.clone(), Some(&scene.world)).diagnostics
    };
    assert!(plan(&scene).warnings.is_empty(), "a cluster that is still there is told");
    scene.world.clusters = Clusters::Known([("eu".to_owned(), true)].into());
    assert!(plan(&scene).warnings[0].detail.contains("Cluster `us` shall import the host no more"));
}

#[tokio::test]
async fn an_export_that_fails_in_one_cluster_loses_nothing_of_the_others() {
    let scene = scene();
    scene.objects.put("eu", echo());
    let rule = ObjectRef::namespaced(Kind::DESTINATION_RULE, "istio-system", "mesh-export-echo-eu-mesh-local");
    let state = created::<ServiceExport>(&scene, export("198.51.100.9")).await;
    let entry = ObjectRef::namespaced(Kind::SERVICE_ENTRY, "echo", "mesh-export-echo-eu-mesh-local");
    scene.objects.fail("eu", &entry, Failure::new(FailureKind::Denied, "Can't write the entry", "Not allowed."));
    scene.objects.fail("us", &rule, unreachable());
    let (state, diagnostics) = apply::<ServiceExport>(&scene, &state, export("198.51.100.10")).await;
    assert_eq!((diagnostics.errors.len(), drift(&state).len()), (1, 1));
    let told = format!("{} {}", diagnostics.errors[0].summary, diagnostics.errors[0].detail);
    assert!(told.contains("Not allowed.") && told.contains("Nobody answers."), "both causes are told: {told}");
    let (kept, _) = destroy::<ServiceExport>(&scene, &state).await;
    assert!(kept.is_value(), "what couldn't be removed stays in the state");
    scene.objects.mend();
    assert!(destroy::<ServiceExport>(&scene, &kept).await.0.is_null());
    assert_eq!(scene.objects.names("us"), [""; 0]);
}
