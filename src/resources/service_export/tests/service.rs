//! What an export needs of the live Service, and what it doesn't.

use super::*;

#[tokio::test]
async fn an_export_that_says_all_needs_no_service() {
    let scene = scene();
    let state = created::<ServiceExport>(&scene, full()).await;
    let (found, diagnostics) = read::<ServiceExport>(&scene, &state).await;
    assert_eq!((found, words(&diagnostics)), (state, String::new()));
}

#[tokio::test]
async fn a_service_that_is_gone_is_reported_and_holds_up_nothing() {
    let scene = scene();
    scene.objects.put("eu", echo());
    let state = created::<ServiceExport>(&scene, export(ADDRESS)).await;
    let service = ObjectRef::namespaced(Kind::SERVICE, "echo", "echo");
    scene.objects.remove("eu", &service);
    let (found, diagnostics) = read::<ServiceExport>(&scene, &state).await;
    assert_eq!((&found, diagnostics.errors.len()), (&state, 0), "what is exported stays");
    assert!(words(&diagnostics).contains("No such Service: Cluster \"eu\" has no Service echo/echo to export."), "{}", words(&diagnostics));
    let (moved, diagnostics) = apply::<ServiceExport>(&scene, &state, export("198.51.100.10")).await;
    assert!(diagnostics.errors.is_empty() && words(&diagnostics).contains("No such Service"), "{}", words(&diagnostics));
    let entry = scene.objects.live("us", &object(Kind::SERVICE_ENTRY, "istio-system")).expect("the entry");
    assert_eq!(entry["spec"]["endpoints"][0]["address"], "198.51.100.10");
    let another = ServiceExportModel { service: text("echo2"), ..export(ADDRESS) };
    let (_, diagnostics) = apply::<ServiceExport>(&scene, &moved, another).await;
    assert!(diagnostics.errors[0].detail.contains("has no Service echo/echo2"), "another Service is no matter of waiting");
}

#[tokio::test]
async fn an_export_whose_namespace_is_gone_is_not_forgotten_while_the_gateway_is_open() {
    let scene = scene();
    scene.objects.put("eu", echo());
    let state = created::<ServiceExport>(&scene, export(ADDRESS)).await;
    for gone in [ObjectRef::namespaced(Kind::SERVICE, "echo", "echo"), object(Kind::SERVICE_ENTRY, "echo")] {
        scene.objects.remove("eu", &gone);
    }
    let (found, _) = read::<ServiceExport>(&scene, &state).await;
    assert!(drift(&found)[0].contains("No such Service"), "{:?}", drift(&found));
    assert!(destroy::<ServiceExport>(&scene, &found).await.0.is_null());
    assert_eq!((exported(&scene, "eu").len(), exported(&scene, "us").len()), (0, 0));
    assert!(read::<ServiceExport>(&scene, &state).await.0.is_null(), "now it is gone");
}

#[tokio::test]
async fn ports_that_are_left_out_or_guessed_are_warned_of() {
    let scene = scene();
    let mut service = echo();
    service["spec"]["ports"] = json!([{"name": "web", "port": 80}, {"name": "dns", "port": 53, "protocol": "UDP"}]);
    scene.objects.put("eu", service);
    let (state, diagnostics) = apply::<ServiceExport>(&scene, &Value::Null, export(ADDRESS)).await;
    let warnings = words(&diagnostics);
    assert!(diagnostics.errors.is_empty() && warnings.contains("Port 80 (web) of Service echo declares no protocol"), "{warnings}");
    assert!(warnings.contains("Port 53 of Service echo is UDP"), "{warnings}");
    let (found, diagnostics) = read::<ServiceExport>(&scene, &state).await;
    assert_eq!((found, words(&diagnostics)), (state, String::new()), "once is enough");
}

#[tokio::test]
async fn a_port_that_the_service_gets_later_is_drift() {
    let scene = scene();
    scene.objects.put("eu", echo());
    let state = created::<ServiceExport>(&scene, export(ADDRESS)).await;
    let mut service = echo();
    service["spec"]["ports"].as_array_mut().expect("ports").push(json!({"name": "http-admin", "port": 9000}));
    scene.objects.put("eu", service);
    let (found, _) = read::<ServiceExport>(&scene, &state).await;
    assert!(drift(&found).iter().any(|line| line.contains("9000") || line.contains("http-admin")), "{:?}", drift(&found));
    let (applied, _) = apply::<ServiceExport>(&scene, &found, export(ADDRESS)).await;
    let ports = model::<ServiceExportModel>(&applied).import.as_ref_option().expect("an import").ports.clone();
    assert_eq!(ports.as_ref_option().map(Vec::len), Some(2), "the importers' next plan has it");
}

#[tokio::test]
async fn a_service_scaled_to_zero_keeps_the_number_of_its_named_port() {
    let scene = scene();
    let mut service = echo();
    service["spec"]["ports"][0]["targetPort"] = json!("web");
    scene.objects.put("eu", service);
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "echo-1", "namespace": "echo", "labels": {"app": "echo"}},
        "spec": {"containers": [{"ports": [{"name": "web", "containerPort": 8080}]}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    });
    scene.objects.put("eu", pod.clone());
    let state = created::<ServiceExport>(&scene, export(ADDRESS)).await;
    let reference = ObjectRef::of(&pod, "echo").expect("a pod");
    scene.objects.remove("eu", &reference);
    let (found, diagnostics) = read::<ServiceExport>(&scene, &state).await;
    assert_eq!((found, words(&diagnostics)), (state, String::new()));
}

#[tokio::test]
async fn the_trust_domain_is_looked_up_at_istiod_and_only_for_identities() {
    let scene = scene();
    scene.objects.put("eu", echo());
    let unset = |accounts: Value<_>| ServiceExportModel {
        trust_domain: Value::Null,
        service_accounts: accounts,
        ..through("eu", "istio-gateways")
    };
    let state = created::<ServiceExport>(&scene, unset(Value::Null)).await;
    let with_accounts = || unset(Value::Value([text("echo")].into()));
    let (_, diagnostics) = apply::<ServiceExport>(&scene, &state, with_accounts()).await;
    assert!(words(&diagnostics).contains("namespace `istio-gateways` or `istio-system`"), "{}", words(&diagnostics));
    scene.objects.put("eu", json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "istio", "namespace": "istio-system"}, "data": {"mesh": "trustDomain: corp.local"},
    }));
    let (state, _) = apply::<ServiceExport>(&scene, &state, with_accounts()).await;
    assert_eq!(model::<ServiceExportModel>(&state).identities, Value::Value(vec![text("spiffe://corp.local/ns/echo/sa/echo")]));
}

#[tokio::test]
async fn pods_without_a_sidecar_and_addresses_of_services_are_warned_of() {
    let scene = scene();
    scene.objects.put("eu", echo());
    for number in 0..7 {
        scene.objects.put("eu", json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("echo-{number}"), "namespace": "echo", "labels": {"app": "echo"}},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
        }));
    }
    scene.objects.put("us", service_range("10.96.0.0/12"));
    let at = |vip: &str| ServiceExportModel { vip: text(vip), ..export(ADDRESS) };
    let (state, diagnostics) = apply::<ServiceExport>(&scene, &Value::Null, at("10.96.1.2")).await;
    let warnings = words(&diagnostics);
    assert!(
        diagnostics.errors.is_empty() && warnings.contains("no sidecar: echo-0, echo-1, echo-2, echo-3, echo-4 and 2 more."),
        "{warnings}"
    );
    assert!(warnings.contains("10.96.1.2 is in 10.96.0.0/12, from which cluster \"us\""), "{warnings}");
    let planned = preview::<ServiceExport>(&scene, ServiceExportModel { gateway: Value::Unknown, ..at("10.96.1.2") }).await.1;
    assert!(words(&planned).contains("10.96.1.2 is in 10.96.0.0/12"), "{}", words(&planned));
    let (_, diagnostics) = apply::<ServiceExport>(&scene, &state, at("10.0.0.2")).await;
    assert!(!words(&diagnostics).contains("range of Services"), "{}", words(&diagnostics));
}
