//! One mesh that is well, and one for each way to break it.

use std::collections::BTreeSet;

use serde_json::json;
use time::macros::datetime;

use super::*;
use crate::mesh::inventory::{
    Objects, Served, Unread,
    fixture::{self, Mesh, certificate, inventory, pod, roots, two_clusters},
};

/// The status of the mesh after something was done to its objects.
fn broken(work: impl FnOnce(&mut Mesh)) -> Status {
    let mut mesh = two_clusters();
    work(&mut mesh);
    Status::of(&inventory(&mesh))
}

/// The first line of the summary.
fn first(status: &Status) -> String {
    status.summary().lines().next().unwrap_or_default().to_owned()
}

#[test]
fn a_mesh_that_is_well_has_no_problem() {
    let status = broken(|_| {});
    assert_eq!(status.verdict(), Severity::Ok, "{}", status.summary());
    assert_eq!(status.summary(), format!("ok: {} checks, no problem", status.checks.len()));
    let seen: BTreeSet<_> = status.checks.iter().map(|check| check.id).collect();
    let all: BTreeSet<_> = CHECKS.iter().map(|(id, _)| *id).collect();
    assert_eq!(seen, all, "each check has a result, and each result is of a known check");
}

type Break = fn(&mut Mesh);

/// What breaks a mesh, and the beginning of the first line of its summary.
const BREAKS: &[(Break, &str)] = &[
    (
        |mesh| mesh.get_mut("us").unwrap().uid = Some("the UID of eu".to_owned()),
        "error cluster.distinct: The keys eu and us lead to one cluster.",
    ),
    (
        |mesh| mesh.get_mut("eu").unwrap().unread.extend([("secrets".to_owned(), "Forbidden".to_owned())]),
        "unknown cluster.readable: cluster eu: Not everything",
    ),
    (|mesh| mesh.get_mut("eu").unwrap().control_planes.clear(), "error istiod.installed: cluster eu: There is no istiod."),
    (
        |mesh| mesh.get_mut("eu").unwrap().control_planes[0]["spec"]["replicas"] = json!(0),
        "error istiod.ready: cluster eu: istio-system/istiod: istiod is scaled to 0 pods.",
    ),
    (
        |mesh| mesh.get_mut("eu").unwrap().control_planes[0]["status"] = json!({}),
        "error istiod.ready: cluster eu: istio-system/istiod: 0 of 1 pods of istiod are ready.",
    ),
    (
        |mesh| mesh.get_mut("eu").unwrap().control_planes[0]["spec"]["replicas"] = json!(2),
        "warning istiod.ready: cluster eu: istio-system/istiod: 1 of 2 pods of istiod are ready.",
    ),
    (
        |mesh| mesh.get_mut("eu").unwrap().control_planes[0]["metadata"]["labels"]["app.kubernetes.io/version"] = json!("1.29.3"),
        "warning istiod.version: Versions are more than one minor version apart: 1.29.3 in eu; 1.31.0 in us.",
    ),
    (|mesh| mesh.get_mut("us").unwrap().injectors.clear(), "error webhook.injection: cluster us: The webhook is not registered."),
    (
        |mesh| mesh.get_mut("us").unwrap().injectors[0]["webhooks"][0]["clientConfig"]["caBundle"] = json!(""),
        "error webhook.injection: cluster us: istiod has put no certificate into istio-sidecar-injector.",
    ),
    (|mesh| mesh.get_mut("us").unwrap().validators.clear(), "warning webhook.validation: cluster us: The webhook is not registered."),
    (
        |mesh| mesh.get_mut("us").unwrap().roots[0].signer = Some(certificate("x", datetime!(2030-01-20 00:00 UTC))),
        "warning ca.expiry: cluster us: CA certificate of istiod O=Corp, CN=Root: It expires on 2030-01-20.",
    ),
    (
        |mesh| mesh.get_mut("us").unwrap().roots[0].signer = Some(certificate("x", datetime!(2029-12-31 00:00 UTC))),
        "error ca.expiry: cluster us: CA certificate of istiod O=Corp, CN=Root: It has expired on 2029-12-31.",
    ),
    (
        |mesh| mesh.get_mut("us").unwrap().roots[0].configured = roots("fedcba9876543210").served,
        "error ca.served: cluster us: istio-system/istiod: istiod serves the root abcdef012345, and the Secret cacerts holds the root fedcba987654.",
    ),
    (
        |mesh| {
            let old = certificate("old", datetime!(2030-03-01 00:00 UTC));
            mesh.get_mut("us").unwrap().roots[0].used.insert("istiod-2".to_owned(), Ok(old));
        },
        "warning ca.used: cluster us: Pod istiod-2: It signs with the CA old, valid until 2030-03-01, and the Secret cacerts holds the intermed.",
    ),
    (
        |mesh| _ = mesh.get_mut("us").unwrap().roots[0].used.insert("istiod-2".to_owned(), Err("It is gone.".to_owned())),
        "unknown ca.used: cluster us: Pod istiod-2: istiod can't be asked for its CA: It is gone.",
    ),
    (
        |mesh| mesh.get_mut("us").unwrap().roots = vec![roots("fedcba9876543210")],
        "error ca.root: There is no common root of trust: the root abcdef012345 in eu; the root fedcba987654 in us.",
    ),
    (
        |mesh| mesh.get_mut("us").unwrap().mesh_configs[0]["data"]["mesh"] = json!("trustDomain: corp.local"),
        "warning mesh.id: Clusters have different mesh IDs: no ID in us; shop-mesh in eu.",
    ),
    (
        |mesh| mesh.get_mut("us").unwrap().mesh_configs[0]["data"]["mesh"] = json!("defaultConfig: {meshId: shop-mesh}"),
        "error mesh.trust_domain: Clusters have different trust domains: cluster.local in us; corp.local in eu.",
    ),
    (
        |mesh| mesh.get_mut("us").unwrap().namespaces[0]["metadata"]["labels"] = json!({}),
        "error network.label: cluster us: Namespace istio-system: The namespace has no label topology.istio.io/network.",
    ),
    (
        |mesh| mesh.get_mut("us").unwrap().namespaces[0]["metadata"]["labels"]["topology.istio.io/network"] = json!("eu-net"),
        "warning network.distinct: Clusters share a network: eu-net in eu, us.",
    ),
    (
        |mesh| mesh.get_mut("eu").unwrap().gateway_services.clear(),
        "error gateway.present: cluster eu: istio-system/istio-eastwestgateway: Exports name it",
    ),
    (
        |mesh| mesh.get_mut("eu").unwrap().gateway_deployments[0]["spec"]["replicas"] = json!(0),
        "error gateway.ready: cluster eu: istio-system/istio-eastwestgateway: It is scaled to 0 pods.",
    ),
    (
        |mesh| mesh.get_mut("eu").unwrap().gateway_services[0]["status"] = json!({}),
        "error gateway.address: cluster eu: istio-system/istio-eastwestgateway: The load balancer has no address.",
    ),
    (
        |mesh| mesh.get_mut("eu").unwrap().gateways.clear(),
        "error export.open: cluster eu: echo.eu.mesh.local: No Gateway opens the host on istio-system/istio-eastwestgateway.",
    ),
    (
        |mesh| mesh.get_mut("eu").unwrap().pods = Some(Vec::new()),
        "error export.pods: cluster eu: echo.eu.mesh.local: No pod of namespace echo matches the exported selector.",
    ),
    (
        |mesh| mesh.get_mut("eu").unwrap().pods = Some(vec![pod("echo-1", true, false)]),
        "error export.pods: cluster eu: echo.eu.mesh.local: None of 1 pod is ready.",
    ),
    (
        |mesh| mesh.get_mut("eu").unwrap().pods = Some(vec![pod("echo-1", false, true), pod("echo-2", true, true)]),
        "warning export.pods: cluster eu: echo.eu.mesh.local: 1 pod without a sidecar: echo-1.",
    ),
    (
        |mesh| {
            let refused = Served::Refused("tls handshake eof".to_owned());
            mesh.get_mut("eu").unwrap().served.insert("echo.eu.mesh.local".to_owned(), refused);
        },
        "error export.served: cluster eu: echo.eu.mesh.local: The east-west gateway takes no TLS connection to it: tls handshake eof.",
    ),
    (
        |mesh| _ = mesh.get_mut("eu").unwrap().served.insert("echo.eu.mesh.local".to_owned(), Served::Unasked("It is gone.".to_owned())),
        "unknown export.served: cluster eu: echo.eu.mesh.local: The east-west gateway can't be asked: It is gone.",
    ),
    (
        |mesh| _ = mesh.get_mut("eu").unwrap().served.insert("echo.eu.mesh.local".to_owned(), Served::Presented(Vec::new())),
        "error export.served: cluster eu: echo.eu.mesh.local: The certificate that answers has no identity, which is not of the trust domain corp.local.",
    ),
    (
        |mesh| {
            let other = Served::Presented(vec!["spiffe://corp.local/ns/echo/sa/default".to_owned()]);
            mesh.get_mut("eu").unwrap().served.insert("echo.eu.mesh.local".to_owned(), other);
        },
        "error export.served: cluster eu: echo.eu.mesh.local: It is served as spiffe://corp.local/ns/echo/sa/default, and the export has the service \
         accounts echo of namespace echo.",
    ),
    (
        |mesh| mesh.get_mut("us").unwrap().entries.clear(),
        "error import.present: cluster us: echo.eu.mesh.local: Cluster eu exports the host to this cluster, and its ServiceEntry is missing.",
    ),
    (|mesh| mesh.get_mut("us").unwrap().rules.clear(), "warning import.present: cluster us: echo.eu.mesh.local: The DestinationRule"),
    (
        |mesh| mesh.get_mut("eu").unwrap().entries.clear(),
        "error import.exported: cluster us: echo.eu.mesh.local: Cluster eu doesn't export it.",
    ),
    (
        |mesh| mesh.get_mut("us").unwrap().entries[0]["spec"]["endpoints"][0]["address"] = json!("203.0.113.9"),
        "warning import.address: cluster us: echo.eu.mesh.local: It has the address 203.0.113.9, and the gateway of cluster eu has 198.51.100.10.",
    ),
    (
        |mesh| mesh.get_mut("us").unwrap().rules[0]["spec"]["trafficPolicy"]["tls"]["mode"] = json!("DISABLE"),
        "error import.tls: cluster us: echo.eu.mesh.local: Its DestinationRule has the TLS mode DISABLE.",
    ),
    (
        |mesh| mesh.get_mut("us").unwrap().entries[0]["spec"]["subjectAltNames"] = json!(["spiffe://corp.local/ns/other/sa/echo"]),
        "error import.identity: cluster us: echo.eu.mesh.local: It accepts spiffe://corp.local/ns/other/sa/echo, and the export has",
    ),
    (
        |mesh| mesh.get_mut("us").unwrap().entries[0]["spec"]["subjectAltNames"] = json!([]),
        "warning import.identity: cluster us: echo.eu.mesh.local: It accepts any identity",
    ),
    (
        |mesh| mesh.get_mut("us").unwrap().sidecars[0]["spec"]["initContainers"][0]["image"] = json!("proxyv2:1.29.1-distroless"),
        "warning sidecar.version: cluster us: 1 sidecar too far from istiod 1.31.0: echo/echo-1 (1.29.1).",
    ),
    (
        |mesh| mesh.get_mut("us").unwrap().sidecars[1]["spec"]["initContainers"][0]["env"] = json!([]),
        "warning sidecar.dns: cluster us: 1 sidecar without DNS capture: echo/client-1.",
    ),
];

#[test]
fn each_problem_is_named_in_the_first_line() {
    let mut named = BTreeSet::from(["cluster.reachable"]);
    for (work, line) in BREAKS {
        let status = broken(work);
        assert!(first(&status).starts_with(line), "{line}\nis not the beginning of\n{}", status.summary());
        for check in status.problems() {
            assert!(!check.cause.is_empty() && !check.fix.is_empty(), "{}", check.line());
            named.insert(check.id);
        }
    }
    let all: BTreeSet<_> = CHECKS.iter().map(|(id, _)| *id).collect();
    assert_eq!(named, all, "each check is broken once");
}

#[test]
fn a_cluster_that_cant_be_reached_is_an_error_and_the_others_are_checked() {
    let mut inventory = inventory(&two_clusters());
    let unread = Unread { why: "Nobody answers.".to_owned(), advice: "Check the address.".to_owned(), is_unknown: false };
    inventory.clusters.insert(ClusterKey::parse("eu").unwrap(), Err(unread.clone()));
    let status = Status::of(&inventory);
    assert_eq!(first(&status), "error cluster.reachable: cluster eu: Nobody answers.");
    let unknown: BTreeSet<_> = status.problems().skip(1).map(|check| (check.severity, check.id)).collect();
    let compared = ["cluster.distinct", "istiod.version", "ca.root", "mesh.id", "mesh.trust_domain", "network.distinct", "import.exported"];
    assert_eq!(unknown, compared.map(|id| (Severity::Unknown, id)).into(), "what eu has is neither missing nor well: {}", status.summary());
    inventory.clusters.insert(ClusterKey::parse("eu").unwrap(), Err(Unread { is_unknown: true, ..unread }));
    assert_eq!(Status::of(&inventory).verdict(), Severity::Unknown);
}

type Hide = fn(&mut Objects);

/// What credentials may not allow to read of a cluster, by the name it has among what is unread, and what is then not seen.
const UNREADABLE: &[(&str, Hide)] = &[
    ("deployments", |objects| objects.control_planes.clear()),
    ("pods", |objects| {
        objects.pods = None;
        objects.sidecars.clear();
        objects.control_plane_pods.clear();
        objects.gateway_pods.clear();
        objects.served.clear();
    }),
    ("mutatingwebhookconfigurations", |objects| objects.injectors.clear()),
    ("validatingwebhookconfigurations", |objects| objects.validators.clear()),
    ("services", |objects| {
        objects.gateway_services.clear();
        objects.served.clear();
        // Those are read by the names of the Services; then the pods' own labels aren't known.
        objects.gateway_deployments.clear();
        objects.gateways.iter_mut().for_each(|gateway| gateway["spec"]["selector"] = json!({"istio": "other"}));
    }),
    ("serviceentries", |objects| objects.entries.clear()),
    ("destinationrules", |objects| objects.rules.clear()),
    ("gateways", |objects| {
        objects.gateways.clear();
        objects.served.clear();
    }),
    ("Deployment istio-system/istio-eastwestgateway", |objects| objects.gateway_deployments.clear()),
    ("Namespace istio-system", |objects| objects.namespaces.clear()),
    ("ConfigMap istio-system/istio", |objects| objects.mesh_configs.clear()),
    ("ConfigMap istio-system/istio-ca-root-cert", |objects| objects.roots[0].served.clear()),
    ("Secret istio-system/cacerts", |objects| {
        objects.roots[0].configured.clear();
        objects.roots[0].signer = None;
    }),
];

#[test]
fn what_cant_be_read_is_not_taken_for_missing() {
    for cluster in ["eu", "us"] {
        for (what, hide) in UNREADABLE {
            let status = broken(|mesh| {
                let objects = mesh.get_mut(cluster).unwrap();
                hide(objects);
                objects.unread.insert((*what).to_owned(), "Forbidden".to_owned());
            });
            assert_eq!(first(&status).split(':').next(), Some("unknown cluster.readable"), "{what} of {cluster}: {}", status.summary());
            let wrong: Vec<_> = status.problems().filter(|check| check.severity != Severity::Unknown).map(Check::line).collect();
            assert!(wrong.is_empty(), "{what} of {cluster}: {wrong:?}");
        }
    }
}

#[test]
fn what_cant_be_read_is_not_taken_for_well() {
    let problems = |work: &dyn Fn(&mut Objects)| {
        let status = broken(|mesh| work(mesh.get_mut("us").unwrap()));
        status.problems().map(|check| check.id).collect::<Vec<_>>()
    };
    assert_eq!(problems(&|us| us.uid = None), ["cluster.distinct"]);
    let hidden = |what: &'static str| {
        let (_, hide) = UNREADABLE.iter().find(|(name, _)| *name == what).unwrap();
        problems(&|us| {
            hide(us);
            us.unread.insert(what.to_owned(), "Forbidden".to_owned());
        })
    };
    assert_eq!(hidden("ConfigMap istio-system/istio"), ["cluster.readable", "mesh.id", "mesh.trust_domain"]);
    assert_eq!(hidden("ConfigMap istio-system/istio-ca-root-cert"), ["cluster.readable", "ca.expiry", "ca.served", "ca.root"]);
    assert_eq!(hidden("Secret istio-system/cacerts"), ["cluster.readable", "ca.expiry", "ca.served"]);
    assert_eq!(hidden("Namespace istio-system"), ["cluster.readable", "network.label", "network.distinct"]);
    let of_entries = [
        "gateway.present",
        "export.open",
        "export.pods",
        "export.served",
        "import.present",
        "import.exported",
        "import.address",
        "import.tls",
        "import.identity",
        "sidecar.dns",
    ];
    assert_eq!(hidden("serviceentries"), [&["cluster.readable"][..], &of_entries].concat());
}

#[test]
fn no_check_is_left_out_because_it_cant_be_told() {
    let results = |status: &Status| status.checks.iter().map(|check| (check.id, check.cluster.clone())).collect::<BTreeSet<_>>();
    let all = results(&broken(|_| {}));
    for cluster in ["eu", "us"] {
        for (what, hide) in UNREADABLE {
            let status = broken(|mesh| {
                let objects = mesh.get_mut(cluster).unwrap();
                hide(objects);
                objects.unread.insert((*what).to_owned(), "Forbidden".to_owned());
            });
            // Which hosts the other cluster should import is seen only in the one that exports.
            let left_out: Vec<_> = all.difference(&results(&status)).filter(|(id, _)| !id.starts_with("import.")).cloned().collect();
            assert!(left_out.is_empty(), "{what} of {cluster}: {left_out:?}");
        }
    }
}

#[test]
fn a_mesh_without_anything_has_results_too() {
    let status = Status::of(&Inventory { clusters: std::collections::BTreeMap::new(), at: fixture::AT });
    assert_eq!(status.verdict(), Severity::Ok);
}

#[test]
fn the_guide_describes_each_check() {
    let guide = include_str!("../../../docs/guides/checking-a-mesh.md");
    for (id, about) in CHECKS {
        assert!(guide.contains(&format!("| `{id}` | {about} |")), "{id}");
    }
}

#[test]
fn a_gateway_is_found_by_the_names_that_the_export_records() {
    let status = broken(|mesh| {
        let eu = mesh.get_mut("eu").unwrap();
        for named in [&mut eu.gateway_services[0], &mut eu.gateway_deployments[0]] {
            named["metadata"]["name"] = json!("gw");
        }
        eu.gateway_deployments[0]["spec"]["template"]["metadata"]["labels"]["istio"] = json!("east");
        eu.gateways[0]["spec"]["selector"]["istio"] = json!("east");
        let record = &mut eu.entries[0]["metadata"]["annotations"][crate::mesh::labels::EXPORT_RECORD];
        let names = r#"{"gatewayService":"gw","gatewayLabel":"east","#;
        *record = json!(record.as_str().unwrap().replacen('{', names, 1));
    });
    assert_eq!(status.verdict(), Severity::Ok, "{}", status.summary());
}

#[test]
fn a_host_of_several_clusters_is_exported_by_each_to_the_others() {
    let lines = |mesh: &Mesh| {
        let status = Status::of(&fixture::inventory(mesh));
        status.problems().map(Check::line).collect::<Vec<_>>()
    };
    let checks = |mesh: &Mesh, id: &str| Status::of(&fixture::inventory(mesh)).checks.iter().filter(|check| check.id == id).count();
    let mesh = fixture::serving(&["eu", "us"], "echo.mesh.local", &json!({}));
    assert_eq!(lines(&mesh), [""; 0]);
    assert_eq!((checks(&mesh, "export.open"), checks(&mesh, "import.present"), checks(&mesh, "import.identity")), (2, 2, 2));

    // A cluster that is drained still calls the other, and no one calls it.
    let drained = fixture::serving(&["eu", "us"], "echo.mesh.local", &json!({"us": 0}));
    assert_eq!((lines(&drained).len(), checks(&drained, "import.present")), (0, 1));

    let mut broken = mesh.clone();
    broken.get_mut("us").unwrap().entries.retain(|entry| !entry["metadata"]["name"].as_str().unwrap().ends_with("-elsewhere"));
    assert_eq!(
        lines(&broken),
        [
            "error import.present: cluster us: echo.mesh.local: Cluster eu exports the host to this cluster, and its ServiceEntry is missing."
        ]
    );
    let fix = Status::of(&fixture::inventory(&broken)).problems().next().unwrap().fix.clone();
    assert_eq!(fix, "Apply the mesh_global_service, which creates it again.");

    let mut without_rule = mesh;
    without_rule.get_mut("us").unwrap().rules.clear();
    assert_eq!(
        lines(&without_rule),
        [
            "unknown export.open: cluster us: echo.mesh.local: The record of the export can't be read. The DestinationRule of the host, which has \
             it, is missing.",
            "warning import.present: cluster us: echo.mesh.local: The DestinationRule of the host is missing.",
        ]
    );
}
