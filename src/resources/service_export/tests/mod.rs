//! The life cycle of an export, with the fakes: here what it writes, follows and imports.

mod adoption;
mod failures;
mod harm;
mod moves;
mod multi_cluster;
mod service;

use serde_json::json;

use super::{ServiceExport, ServiceExportModel, model::GatewayRef, ports::PortModel};
use crate::{
    data::{Kind, ObjectRef},
    resources::testing::{
        Scene, apply, balancer, created, destroy, drift, echo, export, import, model, preview, read, scene, service_range, text, words,
    },
};
use framework::{Diagnostics, Dynamic, Value, encode, erase};

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
        callers: Value::Value([text("spiffe://corp.local/ns/shop/sa/cart"), text("spiffe://corp.local/ns/test/sa/*")].into()),
        locality: text("eu-west-1/a"),
        ..export(ADDRESS)
    };
    if let Value::Value(gateway) = &mut full.gateway {
        gateway.port = Value::Value(443);
    }
    full
}

/// An export through another gateway.
fn through(cluster: &str, namespace: &str) -> ServiceExportModel {
    let gateway = GatewayRef {
        cluster: text(cluster),
        namespace: text(namespace),
        name: text("istio-eastwestgateway"),
        service_name: Value::Null,
        label: Value::Null,
        port: Value::Value(15443),
        addresses: Value::Value(vec![text(ADDRESS)]),
    };
    ServiceExportModel { gateway: Value::Value(gateway), ..export(ADDRESS) }
}

fn importers(keys: &[&str]) -> Value<framework::Set<String>> {
    Value::Value(keys.iter().map(|key| text(key)).collect())
}

/// One of the objects that an export of `echo.eu.mesh.local` has.
fn object(kind: Kind, namespace: &str) -> ObjectRef {
    ObjectRef::namespaced(kind, namespace, "mesh-export-echo-eu-mesh-local")
}

/// The names of the export's objects in a cluster.
fn exported(scene: &Scene, cluster: &str) -> Vec<String> {
    let names =
        scene.objects.names(cluster).into_iter().filter_map(|name| name.strip_suffix("/mesh-export-echo-eu-mesh-local").map(str::to_owned));
    names.collect()
}

/// Plans a configuration as the protocol does, where nothing but the configuration may change: the planned state and what is reported.
fn plan(scene: &Scene, state: &Dynamic, config: &ServiceExportModel) -> (Dynamic, Diagnostics) {
    let before: ServiceExportModel = if state.is_null() { ServiceExportModel::default() } else { model(state) };
    let planned = ServiceExportModel {
        address: before.address,
        service_ports: before.service_ports,
        identities: before.identities,
        import: before.import,
        drift: before.drift,
        ..config.clone()
    };
    let planned =
        erase::<ServiceExport>().plan(state, &encode(&Value::Value(config.clone())), encode(&Value::Value(planned)), Some(&scene.world));
    (planned.state, planned.diagnostics)
}

#[tokio::test]
async fn an_export_with_every_attribute_is_imported_as_it_was_made() {
    let scene = scene();
    scene.objects.put("eu", echo());
    scene.objects.put("eu", balancer(ADDRESS));
    let made = created::<ServiceExport>(&scene, full()).await;
    let imported = import(erase::<ServiceExport>(), &scene, "eu/echo/echo.eu.mesh.local").await;
    assert_eq!(imported, made);
    assert_eq!(plan(&scene, &imported, &full()).0, imported, "the plan after an import is empty");
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
        // As in `mesh::export::request`.
        r#"{"service":"echo","gatewayName":"istio-eastwestgateway","gatewayNamespace":"istio-system","importers":["us"],"importerNamespace":"istio-config","vip":"240.0.0.2","ports":[{"number":80,"name":"web","protocol":"http","targetPort":8080},{"number":5432,"protocol":"TCP"}],"selector":{"app":"echo","tier":"front"},"serviceAccounts":["echo","echo-canary"],"trustDomain":"corp.local","locality":"eu-west-1/a"}"#
    );
    scene.objects.put("eu", of_0_1);
    let imported: ServiceExportModel = model(&import(erase::<ServiceExport>(), &scene, "eu/echo/echo.eu.mesh.local").await);
    let ServiceExportModel { ports, vip, selector, service_accounts, importer_namespace, trust_domain, locality, .. } = full();
    assert_eq!((imported.ports, imported.vip, imported.selector), (ports, vip, selector));
    assert_eq!((imported.service_accounts, imported.importer_namespace), (service_accounts, importer_namespace));
    assert_eq!((imported.trust_domain, imported.locality, imported.export_to), (trust_domain, locality, Value::Null));
}

/// The problems that a validation reports, each with its path.
fn problems(config: ServiceExportModel) -> Vec<String> {
    let diagnostics = erase::<ServiceExport>().validate(&encode(&Value::Value(config)));
    diagnostics.errors.iter().map(|error| format!("{}: {}", error.summary, error.detail)).collect()
}

#[test]
fn a_port_or_a_name_that_is_listed_twice_is_refused() {
    let port = |number: i64, name: Option<&str>| {
        let name = name.map(str::to_owned).into();
        Value::Value(PortModel { number: Value::Value(number), name, protocol: text("HTTP"), target_port: Value::Null })
    };
    let of = |ports: Vec<_>| problems(ServiceExportModel { ports: Value::Value(ports), ..export(ADDRESS) });
    assert_eq!(of(vec![port(80, None), port(81, None)]), [""; 0]);
    assert_eq!(of(vec![port(80, None), Value::Null]), ["Invalid ports[1]: An element can't be null."]);
    assert_eq!(of(vec![port(80, None), port(80, Some("web"))]), ["Invalid ports[1]: Port 80 is listed twice."]);
    assert_eq!(
        of(vec![port(80, None), port(81, Some("http-80"))]),
        ["Invalid ports[1]: Ports 80 and 81 both have the name \"http-80\". Names must be unique."]
    );
}

#[test]
fn the_audience_is_checked() {
    let problems = |elements: &[&str]| {
        let elements = elements.iter().map(|element| text(element)).collect();
        problems(ServiceExportModel { export_to: Value::Value(elements), ..export(ADDRESS) })
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
async fn an_export_of_the_first_release_gets_its_address_by_an_update() {
    let scene = scene();
    scene.objects.put("eu", echo());
    let made = created::<ServiceExport>(&scene, export(ADDRESS)).await;
    for (cluster, namespace) in [("eu", "echo"), ("us", "istio-system")] {
        let mut entry = scene.objects.live(cluster, &object(Kind::SERVICE_ENTRY, namespace)).expect("the entry");
        entry["spec"].as_object_mut().expect("a spec").remove("addresses");
        scene.objects.put(cluster, entry);
    }
    let old = encode(&Value::Value(ServiceExportModel { address: Value::Null, ..model(&made) }));
    let (found, _) = read::<ServiceExport>(&scene, &old).await;
    assert!(model::<ServiceExportModel>(&found).address.is_null(), "there is none in the clusters");
    assert!(drift(&found).iter().any(|line| line.starts_with("Cluster us") && line.contains("spec.addresses")), "{:?}", drift(&found));
    let (planned, diagnostics) = plan(&scene, &old, &export(ADDRESS));
    assert!(diagnostics.errors.is_empty());
    let address = model::<ServiceExportModel>(&planned).address;
    assert_eq!(address, model::<ServiceExportModel>(&made).address);
    let (state, _) = apply::<ServiceExport>(&scene, &found, export(ADDRESS)).await;
    assert_eq!(read::<ServiceExport>(&scene, &state).await.0, state);
    assert_eq!(model::<ServiceExportModel>(&state).address, address);
}

#[tokio::test]
async fn the_address_is_known_in_the_first_plan_and_checked_against_other_exports() {
    let scene = scene();
    let planned = |host: &str, vip: Value<String>| {
        let mut config = ServiceExportModel { host: text(host), vip, ..export(ADDRESS) };
        if let Value::Value(gateway) = &mut config.gateway {
            gateway.addresses = Value::Unknown;
        }
        let (state, diagnostics) = plan(&scene, &Value::Null, &config);
        (model::<ServiceExportModel>(&state).address, words(&diagnostics))
    };
    assert_eq!(planned("a.mesh.local", text("240.0.0.2")), (text("240.0.0.2"), String::new()));
    let (address, nothing) = planned("b.mesh.local", Value::Null);
    assert!(address.is_value() && nothing.is_empty());
    assert_eq!(planned("c.mesh.local", Value::Unknown), (Value::Unknown, String::new()));
    assert!(planned("d.mesh.local", text("240.0.0.2")).1.contains("`d.mesh.local` and `a.mesh.local` both have the address 240.0.0.2"));
    assert!(planned("e.mesh.local", address).1.contains("Virtual address used twice"), "computed ones count");
}

#[tokio::test]
async fn identities_follow_a_trust_domain_that_the_same_run_changes() {
    let scene = scene();
    scene.objects.put("eu", echo());
    let domain = |domain: &str| {
        let mesh = json!({"mesh": format!("trustDomain: {domain}\n")});
        scene.objects.put(
            "eu",
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "istio", "namespace": "istio-system"}, "data": mesh}),
        );
    };
    domain("corp.local");
    let pinned = ServiceExportModel { service_accounts: Value::Value([text("echo")].into()), trust_domain: Value::Null, ..export(ADDRESS) };
    let state = created::<ServiceExport>(&scene, pinned.clone()).await;
    let plan_beside = |trust_domain: &str| {
        let cluster = crate::resources::ClusterModel { trust_domain: text(trust_domain), ..crate::resources::testing::cluster() };
        let planned = crate::resources::testing::planned::<crate::resources::Cluster>(cluster.clone());
        erase::<crate::resources::Cluster>().plan(&Value::Null, &encode(&Value::Value(cluster)), planned, Some(&scene.world));
        plan(&scene, &state, &pinned).0
    };
    assert_eq!(plan_beside("corp.local"), state);
    assert_eq!(model::<ServiceExportModel>(&plan_beside("new.local")).identities, Value::Unknown, "an update in the same apply");
}
