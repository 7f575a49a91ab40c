//! What an export must not do to a gateway that others use, and what others must not do to it unseen.

use serde_json::Value as Json;

use super::*;
use crate::resources::testing::unreachable;

/// Istio's own `expose-services.yaml`.
fn cross_network_gateway() -> Json {
    json!({
        "apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": {"name": "cross-network-gateway", "namespace": "istio-system"},
        "spec": {
            "selector": {"istio": "eastwestgateway"},
            "servers": [{"port": {"number": 15443, "name": "tls", "protocol": "TLS"}, "tls": {"mode": "AUTO_PASSTHROUGH"}, "hosts": ["*.local"]}],
        },
    })
}

#[tokio::test]
async fn a_host_that_another_gateway_opens_gets_no_second_one() {
    let scene = scene();
    scene.objects.put("eu", echo());
    scene.objects.put("eu", cross_network_gateway());
    let (state, diagnostics) = apply::<ServiceExport>(&scene, &Value::Null, export(ADDRESS)).await;
    assert!(diagnostics.errors.is_empty());
    assert!(
        diagnostics.warnings[0].detail.contains("Gateway istio-system/cross-network-gateway opens \"*.local\""),
        "{}",
        words(&diagnostics)
    );
    assert_eq!(exported(&scene, "eu"), ["ServiceEntry echo"]);
    assert_eq!(exported(&scene, "us").len(), 2);
    assert_eq!(read::<ServiceExport>(&scene, &state).await.0, state, "that is how it is, and no drift");
    // Without the other one the export needs its own.
    let other = ObjectRef::namespaced(Kind::GATEWAY, "istio-system", "cross-network-gateway");
    scene.objects.remove("eu", &other);
    let (drifted, _) = read::<ServiceExport>(&scene, &state).await;
    assert_eq!(drift(&drifted), ["Cluster eu: Gateway istio-system/mesh-export-echo-eu-mesh-local: it is gone"]);
    apply::<ServiceExport>(&scene, &drifted, export(ADDRESS)).await;
    assert_eq!(exported(&scene, "eu"), ["Gateway istio-system", "ServiceEntry echo"]);
}

#[tokio::test]
async fn a_gateway_that_comes_later_is_drift_and_the_exports_own_goes() {
    let scene = scene();
    scene.objects.put("eu", echo());
    let state = created::<ServiceExport>(&scene, export(ADDRESS)).await;
    scene.objects.put("eu", cross_network_gateway());
    let (drifted, _) = read::<ServiceExport>(&scene, &state).await;
    assert!(drift(&drifted)[0].contains("must be removed: Gateway istio-system/cross-network-gateway opens"), "{:?}", drift(&drifted));
    let (state, diagnostics) = apply::<ServiceExport>(&scene, &drifted, export(ADDRESS)).await;
    assert!(diagnostics.errors.is_empty() && diagnostics.warnings.len() == 1, "{}", words(&diagnostics));
    assert_eq!(exported(&scene, "eu"), ["ServiceEntry echo"]);
    assert_eq!(read::<ServiceExport>(&scene, &state).await.0, state);
    assert!(destroy::<ServiceExport>(&scene, &state).await.0.is_null());
    assert_eq!(scene.objects.names("eu"), ["Gateway istio-system/cross-network-gateway", "Service echo/echo"]);
}

#[tokio::test]
async fn the_gateways_pods_are_known_by_their_deployment() {
    let scene = scene();
    scene.objects.put("eu", echo());
    let mut other = cross_network_gateway();
    other["spec"]["selector"] = json!({"team": "network"});
    scene.objects.put("eu", other);
    let (state, diagnostics) = apply::<ServiceExport>(&scene, &Value::Null, export(ADDRESS)).await;
    assert_eq!((words(&diagnostics), exported(&scene, "eu").len()), (String::new(), 2));
    scene.objects.put(
        "eu",
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "istio-eastwestgateway", "namespace": "istio-system"},
            "spec": {"template": {"metadata": {"labels": {"istio": "eastwestgateway", "team": "network"}}}},
        }),
    );
    assert_eq!(drift(&read::<ServiceExport>(&scene, &state).await.0).len(), 1);
}

#[tokio::test]
async fn what_others_add_to_the_exports_objects_is_drift_and_is_set_back() {
    let scene = scene();
    scene.objects.put("eu", echo());
    let state = created::<ServiceExport>(&scene, export(ADDRESS)).await;
    let patch = |cluster: &str, kind: Kind, namespace: &str, change: &dyn Fn(&mut Json)| {
        let mut live = scene.objects.live(cluster, &object(kind, namespace)).expect("the object");
        change(&mut live["spec"]);
        scene.objects.put(cluster, live);
    };
    patch("us", Kind::DESTINATION_RULE, "istio-system", &|spec| {
        spec["trafficPolicy"]["portLevelSettings"] = json!([{"port": {"number": 80}, "tls": {"mode": "DISABLE"}}]);
    });
    patch("us", Kind::SERVICE_ENTRY, "istio-system", &|spec| spec["endpoints"][0]["weight"] = json!(0));
    patch("us", Kind::SERVICE_ENTRY, "istio-system", &|spec| spec["endpoints"][0]["network"] = json!("eu-net"));
    patch("us", Kind::SERVICE_ENTRY, "istio-system", &|spec| spec["exportTo"] = json!(["."]));
    patch("eu", Kind::GATEWAY, "istio-system", &|spec| spec["servers"][0]["bind"] = json!("127.0.0.1"));
    let (drifted, _) = read::<ServiceExport>(&scene, &state).await;
    let lines = drift(&drifted).join("\n");
    for words in ["portLevelSettings", "endpoints[0].network: \"eu-net\" was added", "spec.exportTo[0]", "servers[tls].bind"] {
        assert!(lines.contains(words) || lines.contains(&words.replace("servers[tls]", "servers[0]")), "{words}: {lines}");
    }
    let (state, diagnostics) = apply::<ServiceExport>(&scene, &drifted, export(ADDRESS)).await;
    assert_eq!(words(&diagnostics), "");
    assert_eq!(drift(&read::<ServiceExport>(&scene, &state).await.0), [""; 0], "the apply has set it back");
    let rule = scene.objects.live("us", &object(Kind::DESTINATION_RULE, "istio-system")).expect("the rule");
    assert_eq!(rule["spec"]["trafficPolicy"], json!({"tls": {"mode": "ISTIO_MUTUAL"}}));
}

#[tokio::test]
async fn callers_are_restricted_by_a_policy_that_drifts_and_goes_like_all_else() {
    let scene = scene();
    scene.objects.put("eu", echo());
    let callers = |callers: &[&str]| ServiceExportModel {
        callers: Value::Value(callers.iter().map(|caller| text(caller)).collect()),
        ..export(ADDRESS)
    };
    let restricted = || callers(&["spiffe://corp.local/ns/echo/sa/client"]);
    let state = created::<ServiceExport>(&scene, restricted()).await;
    let policy = object(Kind::AUTHORIZATION_POLICY, "echo");
    let mut live = scene.objects.live("eu", &policy).expect("the policy");
    assert_eq!(live["spec"]["rules"][0]["from"][0]["source"]["notPrincipals"], serde_json::json!(["corp.local/ns/echo/sa/client"]));
    assert_eq!(read::<ServiceExport>(&scene, &state).await.0, state);
    live["spec"]["rules"][0]["from"][0]["source"]["notPrincipals"] = serde_json::json!(["*"]);
    scene.objects.put("eu", live);
    let (drifted, _) = read::<ServiceExport>(&scene, &state).await;
    assert!(drift(&drifted)[0].contains("AuthorizationPolicy echo/mesh-export-echo-eu-mesh-local"), "{:?}", drift(&drifted));
    let (state, _) = apply::<ServiceExport>(&scene, &drifted, restricted()).await;
    assert_eq!(drift(&read::<ServiceExport>(&scene, &state).await.0), [""; 0]);
    let (state, _) = apply::<ServiceExport>(&scene, &state, callers(&[])).await;
    assert_eq!(scene.objects.live("eu", &policy).expect("the policy")["spec"]["rules"][0]["from"], Json::Null, "nobody may call");
    let (state, _) = apply::<ServiceExport>(&scene, &state, export(ADDRESS)).await;
    assert_eq!(exported(&scene, "eu"), ["Gateway istio-system", "ServiceEntry echo"], "without `callers` there is no policy");
    let (state, _) = apply::<ServiceExport>(&scene, &state, restricted()).await;
    scene.objects.fail("eu", &object(Kind::GATEWAY, "istio-system"), unreachable());
    let (state, report) = destroy::<ServiceExport>(&scene, &state).await;
    assert!(!report.errors.is_empty() && scene.objects.live("eu", &policy).is_some(), "the policy stays as long as the gateway is open");
    scene.objects.mend();
    assert!(destroy::<ServiceExport>(&scene, &state).await.0.is_null());
    assert_eq!(exported(&scene, "eu"), [""; 0]);
}

#[tokio::test]
async fn the_names_of_the_gateway_decide_which_pods_and_which_service_are_meant() {
    let scene = scene();
    scene.objects.put("eu", echo());
    let mut config = export(ADDRESS);
    if let Value::Value(gateway) = &mut config.gateway {
        (gateway.service_name, gateway.label) = (text("gw"), text("east"));
    }
    let state = created::<ServiceExport>(&scene, config.clone()).await;
    let gateway = scene.objects.live("eu", &object(Kind::GATEWAY, "istio-system")).expect("a Gateway");
    assert_eq!(gateway["spec"]["selector"], json!({"istio": "east"}));

    let mut service = balancer("198.51.100.77");
    service["metadata"]["name"] = "gw".into();
    scene.objects.put("eu", service);
    let imported: ServiceExportModel = model(&import(erase::<ServiceExport>(), &scene, "eu/echo/echo.eu.mesh.local").await);
    let Value::Value(gateway) = imported.gateway else { panic!("no gateway") };
    assert_eq!((gateway.service_name, gateway.label), (text("gw"), text("east")));
    assert_eq!(gateway.addresses, Value::Value(vec![text("198.51.100.77")]));

    scene.objects.put("eu", cross_network_gateway());
    assert_eq!(drift(&read::<ServiceExport>(&scene, &state).await.0), [""; 0], "it is for other pods");
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "gw", "namespace": "istio-system"},
        "spec": {"template": {"metadata": {"labels": {"istio": "eastwestgateway"}}}},
    });
    scene.objects.put("eu", deployment);
    assert!(drift(&read::<ServiceExport>(&scene, &state).await.0)[0].contains("must be removed"), "the Deployment is found by its name");
}
