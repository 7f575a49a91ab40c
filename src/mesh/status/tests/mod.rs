//! One mesh that is well, and one for each way to break it.

mod breaks;
mod known;

use std::collections::BTreeSet;

use breaks::BREAKS;
use serde_json::json;

use super::*;
use crate::mesh::inventory::{
    Objects, Served, Unread, Validation,
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
    let by_network = broken(|mesh| *mesh = fixture::by_network());
    assert_eq!(by_network.verdict(), Severity::Ok, "{}", by_network.summary());
    let seen: BTreeSet<_> = status.checks.iter().chain(&by_network.checks).map(|check| check.id).collect();
    let all: BTreeSet<_> = CHECKS.iter().map(|(id, _)| *id).collect();
    assert_eq!(seen, all, "each check has a result, and each result is of a known check");
}

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
fn a_cluster_that_is_discovered_needs_no_link() {
    let status = broken(|mesh| {
        *mesh = fixture::by_network();
        mesh.get_mut("us").unwrap().api_gateways = Some(Vec::new());
    });
    assert_eq!(first(&status), format!("ok: {} checks, no problem", status.checks.len()), "istiod finds the gateway by itself");
    let status = broken(|mesh| {
        *mesh = fixture::by_network();
        let us = mesh.get_mut("us").unwrap();
        (us.api_gateways, us.remote_secrets) = (None, Some(Vec::new()));
    });
    assert_eq!(status.verdict(), Severity::Ok, "what may not be read is no problem: {}", status.summary());
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

#[test]
fn sidecars_that_are_a_little_older_are_named_and_no_problem() {
    let status = broken(|mesh| {
        let us = mesh.get_mut("us").unwrap();
        us.control_planes[0]["metadata"]["labels"]["app.kubernetes.io/version"] = json!("1.31.1");
        us.sidecars[0]["spec"]["initContainers"][0]["image"] = json!("proxyv2:1.30.4-distroless");
    });
    assert_eq!(status.verdict(), Severity::Ok, "{}", status.summary());
    let seen = |cluster: &str| {
        let of = |check: &&Check| check.id == "sidecar.version" && check.cluster.as_ref().is_some_and(|key| key.as_str() == cluster);
        status.checks.iter().find(of).unwrap().seen.clone()
    };
    assert_eq!(seen("us"), "2 proxies suit istiod 1.31.1, 2 older than it: echo/echo-1 (1.30.4), echo/client-1 (1.31.0).");
    assert_eq!(seen("eu"), "2 proxies suit istiod 1.31.0.");
}

#[test]
fn a_webhook_that_refuses_an_invalid_object_says_so() {
    let seen = |validation: Option<Validation>| {
        let status = broken(|mesh| {
            let tried = validation.map(|validation| ("istio-validator-istio-system".to_owned(), validation));
            mesh.get_mut("us").unwrap().validations.extend(tried);
        });
        assert_eq!(status.verdict(), Severity::Ok, "{}", status.summary());
        let of = |check: &&Check| check.id == "webhook.validation" && check.cluster.as_ref().is_some_and(|key| key.as_str() == "us");
        status.checks.iter().find(of).unwrap().seen.clone()
    };
    assert_eq!(seen(Some(Validation::Refused)), "The webhook is registered and has a certificate, and refuses an invalid object.");
    assert_eq!(seen(None), "The webhook is registered and has a certificate. Whether it refuses an invalid object was not checked.");
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
    let guide = include_str!("../../../../docs/guides/checking-a-mesh.md");
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
