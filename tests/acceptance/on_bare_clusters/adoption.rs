//! A mesh that was made manually with helm or istioctl, and kubectl, is taken over while calls run through it.

use std::time::Duration;

use mesh_lab::{Call, Cluster, Lab, Outcome, Target, Traffic, mesh_by_hand, mesh_by_istioctl};

use crate::{
    fixture::{bare_clusters, both, provider},
    traffic::{HOST, call_host_until_ok, repeat_until},
    workspace::{Cli, Workspace, clis, unwrapped},
};

const MESH: &str = r#"
locals {
  networks = { us = "us-net", eu = "eu-net" }
}

resource "mesh_cluster" "this" {
  for_each     = local.networks
  cluster      = each.key
  mesh_id      = "training-mesh"
  network      = each.value
  trust_domain = "corp.local"
  mtls_mode    = each.key == "eu" ? "STRICT" : null
  values       = [file("istiod.yaml")]
  adopt        = true
}

resource "mesh_eastwest_gateway" "this" {
  for_each = local.networks
  cluster  = mesh_cluster.this[each.key].cluster
  network  = mesh_cluster.this[each.key].network
  values   = [file("gateway.yaml")]
  adopt    = true

  name         = "cross-network-gateway"
  service_name = "istio-eastwestgateway"
  label        = "cross-network"
}

resource "mesh_service_export" "echo" {
  host             = "echo.eu.mesh.local"
  gateway          = mesh_eastwest_gateway.this["eu"]
  namespace        = "echo"
  service          = "echo"
  service_accounts = ["echo"]
  importers        = [mesh_cluster.this["us"].cluster]
  vip              = "240.0.0.2"
  locality         = "eu"
  adopt            = true
}
"#;

/// The pods of Istio, by name and UID.
fn pods(cluster: &Cluster) -> String {
    let fields = "-o=jsonpath={range .items[*]}{.metadata.name} {.metadata.uid}{\"\\n\"}{end}";
    cluster.kubectl(&["get", "pods", "-n", "istio-system", fields]).expect("pods")
}

/// The hosts of the ServiceEntries, with their names.
fn entries(cluster: &Cluster) -> String {
    let fields = "-o=jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name} {.spec.hosts}{\"\\n\"}{end}";
    cluster.kubectl(&["get", "serviceentries", "-A", fields]).expect("entries")
}

/// The mesh of `mesh_by_istioctl` has no releases, and the gateway's pods are selected by their network, too, as in Istio's documentation.
#[test]
#[ignore = "takes over a minute with each CLI"]
fn a_mesh_made_by_istioctl_is_taken_over_while_it_is_called() {
    for cli in clis(&crate::fixture::lab()) {
        let lab = bare_clusters();
        let (us, eu) = both(&lab);
        mesh_by_istioctl(&lab).expect("a mesh");
        call_host_until_ok(&lab);
        let workspace = workspace(&lab, &cli);

        let mut traffic = Traffic::start([(&us, vec![Target::http(HOST, "Cluster=eu")])]).expect("calls");
        traffic.mark("plan");
        let refused = unwrapped(&workspace.fail(&["plan", "-no-color"]));
        println!("{}: {refused}", cli.name);
        let advice = "kubectl delete deployment --cascade=orphan --namespace istio-system istio-eastwestgateway";
        for expected in [
            "Taken over in cluster \"us\": the control plane in namespace istio-system",
            "The gateway can't be taken over",
            "topology.istio.io/network",
            advice,
        ] {
            assert!(refused.contains(expected), "the plan doesn't say {expected:?}:\n{refused}");
        }
        traffic.mark("the gateways' Deployments deleted");
        for cluster in [&us, &eu] {
            let arguments: Vec<_> = advice.split_whitespace().skip(1).collect();
            cluster.kubectl(&arguments).expect("deleted");
        }
        let plan = unwrapped(&workspace.changes());
        println!("{}: {plan}", cli.name);
        assert!(plan.contains("Service istio-system/istio-eastwestgateway and what belongs to it"), "{plan}");
        traffic.mark("apply");
        workspace.apply();
        traffic.flow(Duration::from_secs(45));
        traffic.mark("plan after it");
        workspace.assert_settled();
        let tally = traffic.finish();
        println!("{}: {tally}", cli.name);
        // Connections through a gateway are cut when its former pod ends, and a call that is sent on one at that moment is lost.
        let is_cut = |call: &Call| matches!(&call.outcome, Outcome::Failed(why) if why.ends_with("connection termination"));
        assert!(tally.not_answered().all(is_cut) && tally.not_answered().count() * 100 < tally.made(), "{}: {tally}", cli.name);
        workspace.destroy();
        assert_gone(&cli, [&us, &eu]);
    }
}

fn workspace(lab: &Lab, cli: &Cli) -> Workspace {
    let helm = format!("helm = {{ repository = \"{}\", binary = \"{}\" }}", lab.charts().http, lab.binaries().helm.display());
    let workspace = Workspace::new(cli, &format!("{}{MESH}", provider(lab, &helm)));
    workspace.write("istiod.yaml", &mesh_lab::lab_values());
    workspace.write("gateway.yaml", &mesh_lab::gateway_values());
    workspace
}

/// No release and no pod of Istio is left.
fn assert_gone(cli: &Cli, clusters: [&Cluster; 2]) {
    for cluster in clusters {
        assert_eq!(cluster.helm(&["list", "-A", "-q"]).expect("a list").trim(), "", "{}: releases are left", cli.name);
        // Helm doesn't wait for the end of the pods that it removes.
        repeat_until("the pods", || pods(cluster), str::is_empty);
    }
}

/// About a minute and a half for each CLI.
#[test]
#[ignore = "takes over a minute with each CLI"]
fn a_mesh_made_by_hand_is_taken_over_without_a_lost_call() {
    for cli in clis(&crate::fixture::lab()) {
        let lab = bare_clusters();
        let (us, eu) = both(&lab);
        mesh_by_hand(&lab, true).expect("a mesh");
        call_host_until_ok(&lab);
        let before = [pods(&us), pods(&eu)];
        let workspace = workspace(&lab, &cli);

        let mut traffic = Traffic::start([(&us, vec![Target::http(HOST, "Cluster=eu")])]).expect("calls");
        traffic.mark("plan");
        let plan = unwrapped(&workspace.changes());
        println!("{}: {plan}", cli.name);
        for expected in [
            "5 to add, 0 to change, 0 to destroy",
            "Taken over in cluster \"us\": the control plane in namespace istio-system",
            "Taken over in cluster \"eu\": the Helm release istio-system/cross-network-gateway",
            "ServiceEntry echo/echo-eu: it is replaced by mesh-export-echo-eu-mesh-local",
            "Gateway istio-system/cross-network-gateway: it is replaced",
        ] {
            assert!(plan.contains(expected), "the plan doesn't say {expected:?}:\n{plan}");
        }
        traffic.mark("apply");
        workspace.apply();
        traffic.flow(Duration::from_secs(8));
        traffic.mark("plan after it");
        workspace.assert_settled();
        let tally = traffic.finish();
        println!("{}: {tally}", cli.name);
        assert_eq!(tally.not_answered().count(), 0, "{}: {tally}", cli.name);
        assert_eq!([pods(&us), pods(&eu)], before, "{}: Istio's pods were restarted", cli.name);
        for cluster in [&us, &eu] {
            let entries = entries(cluster);
            assert_eq!(entries.lines().count(), 1, "{entries}");
            assert!(entries.contains("mesh-export-echo-eu-mesh-local"), "{entries}");
        }

        workspace.destroy();
        assert_gone(&cli, [&us, &eu]);
    }
}
