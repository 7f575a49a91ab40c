//! The check before anything is installed: bare clusters, and what may be in the way of a mesh. The first line names it.

use std::time::{Duration, Instant};

use mesh_lab::{Cluster, Lab};
use serde_json::Value as Json;

use crate::{
    fixture::{REQUIREMENT, bare_clusters, both, example_file},
    inventory::objects_of,
    traffic::repeat_until,
    workspace::{Workspace, cli, unwrapped},
};

const PRECHECK: &str = r#"
data "mesh_precheck" "all" {}

output "summary" {
  value = data.mesh_precheck.all.summary
}

output "problems" {
  value = [
    for check in data.mesh_precheck.all.checks : "${check.severity} ${check.id} ${check.cluster == null ? "" : check.cluster}" if check.severity != "ok"
  ]
}
"#;

/// A control plane as `istioctl install` leaves it, as far as anyone looks at it. No pod of it runs.
const ISTIOD: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata:
  name: istiod
  namespace: istio-system
  labels: {app: istiod, app.kubernetes.io/version: 1.30.2}
spec:
  replicas: 0
  selector: {matchLabels: {app: istiod}}
  template:
    metadata: {labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "none:1"}]}
"#;

#[test]
fn what_is_in_the_way_of_a_mesh_is_named_before_anything_is_installed_by_tofu() {
    what_is_in_the_way_is_named_to("tofu");
}

#[test]
#[ignore = "runs with OpenTofu"]
fn what_is_in_the_way_of_a_mesh_is_named_before_anything_is_installed_by_terraform() {
    what_is_in_the_way_is_named_to("terraform");
}

fn what_is_in_the_way_is_named_to(name: &str) {
    let lab = bare_clusters();
    let Some(cli) = cli(&lab, name) else { return };
    let (us, eu) = both(&lab);
    let us_admin = format!("config_path = \"{}\"", us.kubeconfig_path().display());
    let workspace = Workspace::new(&cli, &format!("{}{PRECHECK}", provider(&lab, &us_admin)));

    // Nothing shows yet that load balancers get an address; all else is well, and stays as it is.
    let before = objects_of(&eu);
    let begin = Instant::now();
    workspace.apply();
    print!("(bare: {:.1} s) ", begin.elapsed().as_secs_f64());
    assert_eq!(problems(&workspace), ["unknown precheck.load_balancer eu", "unknown precheck.load_balancer us"], "{}", summary(&workspace));
    assert_eq!(objects_of(&eu), before, "the check has changed something");

    // The example of the document, beside: its postcondition holds, and its check block warns of the same.
    let example =
        Workspace::new(&cli, &format!("{}{}", provider(&lab, &us_admin), example_file("data-sources/mesh_precheck/data-source.tf")));
    let printed = unwrapped(&example.apply());
    assert!(printed.contains("Check block assertion failed") && printed.contains("unknown precheck.load_balancer"), "{printed}");

    us.balancer().never().expect("a balancer that assigns nothing");
    for cluster in [&us, &eu] {
        cluster.kubectl(&["create", "service", "loadbalancer", "-n", "echo", "balanced", "--tcp=80:80"]).expect("a Service");
    }
    let address = || eu.balancer().address("echo", "balanced").expect("the Service").unwrap_or_default();
    repeat_until("an address", address, |address| !address.is_empty());
    assert_first(
        &workspace,
        "warning precheck.load_balancer: cluster us: No Service has an address, and these wait for one: echo/balanced.",
    );
    assert_eq!(problems(&workspace), ["warning precheck.load_balancer us"]);
    us.balancer().ip().expect("a balancer that assigns addresses");
    us.kubectl(&["delete", "service", "-n", "echo", "balanced"]).expect("deleted");

    foreign_istio_is_named(&lab, &eu, &workspace);
    missing_permissions_are_named(&lab, &us, &workspace);

    eu.stop_api_server().expect("stopped");
    let begin = Instant::now();
    workspace.apply();
    let took = begin.elapsed();
    eu.start_api_server().expect("started");
    assert!(took < Duration::from_secs(40), "{took:?} while a cluster was down");
    assert!(summary(&workspace).starts_with("error precheck.api_server: cluster eu: Can't reach"), "{}", summary(&workspace));
    assert!(!summary(&workspace).contains("error precheck.permissions: cluster us"), "{}", summary(&workspace));
}

fn foreign_istio_is_named(lab: &Lab, eu: &Cluster, workspace: &Workspace) {
    let charts = lab.charts();
    // The chart has objects there, wherever its release is.
    eu.kubectl(&["create", "namespace", "istio-system"]).expect("a namespace");
    let base = ["install", "theirs", "base", "--repo", &charts.http, "--version", charts.version, "-n", "platform", "--create-namespace"];
    eu.helm(&base).expect("the chart base");
    assert_first(workspace, "error precheck.istio: cluster eu: CustomResourceDefinitions: ");
    assert!(summary(workspace).contains("belong to the Helm release platform/theirs: "), "{}", summary(workspace));

    eu.apply(ISTIOD).expect("a control plane");
    assert_first(
        workspace,
        "error precheck.istio: cluster eu: Deployment istio-system/istiod: istiod 1.30.2 is there, and this provider did not install it: it \
         belongs to no Helm release.",
    );
    eu.kubectl(&["delete", "deployment", "-n", "istio-system", "istiod"]).expect("deleted");
    eu.helm(&["uninstall", "theirs", "-n", "platform"]).expect("uninstalled");
    // Their end is not waited for.
    eu.kubectl(&["delete", "namespace", "--wait=false", "istio-system", "platform"]).expect("deleted");
    let definitions = eu.kubectl(&["get", "crd", "-o", "name"]).expect("a list");
    let of_istio: Vec<_> = definitions.lines().filter(|name| name.ends_with(".istio.io")).collect();
    eu.kubectl(&[&["delete"][..], &of_istio].concat()).expect("deleted");
}

/// An account of `us` that only reads.
fn missing_permissions_are_named(lab: &Lab, us: &Cluster, workspace: &Workspace) {
    us.apply(&example_file("rbac/mesh-reader.yaml")).expect("a role");
    us.kubectl(&["create", "namespace", "terraform"]).expect("a namespace");
    us.kubectl(&["create", "serviceaccount", "-n", "terraform", "reader"]).expect("an account");
    let binding = ["create", "clusterrolebinding", "mesh-reader", "--clusterrole=mesh-reader", "--serviceaccount=terraform:reader"];
    us.kubectl(&binding).expect("a binding");
    let token = us.kubectl(&["create", "token", "-n", "terraform", "reader", "--duration=1h"]).expect("a token");
    let ca = ["config", "view", "--raw", "-o", "jsonpath={.clusters[0].cluster.certificate-authority-data}"];
    let ca = us.kubectl(&ca).expect("a CA");
    let access = format!(
        "host = \"{}\", cluster_ca_certificate = base64decode(\"{}\"), token = \"{}\"",
        us.name().server(),
        ca.trim(),
        token.trim()
    );
    workspace.write("main.tf", &format!("{}{PRECHECK}", provider(lab, &access)));
    assert_first(
        workspace,
        "error precheck.permissions: cluster us: mesh-exporter: The credentials can't create, delete, patch and update",
    );
    let found = summary(workspace);
    for words in [
        "system:serviceaccount:terraform:reader",
        "resources: [destinationrules, gateways, serviceentries], verbs: [create, delete, patch, update]",
        "error precheck.permissions: cluster us: mesh-installer: The credentials can't",
    ] {
        assert!(found.contains(words), "no {words}:\n{found}");
    }
    // What it does have suffices for its own role.
    workspace.edit("data \"mesh_precheck\" \"all\" {}", "data \"mesh_precheck\" \"all\" {\n  roles = [\"mesh-reader\"]\n}");
    workspace.apply();
    assert_eq!(problems(workspace), ["unknown precheck.load_balancer us"], "{}", summary(workspace));
    us.kubectl(&["delete", "clusterrolebinding", "mesh-reader"]).expect("deleted");
    us.kubectl(&["delete", "clusterrole", "mesh-reader"]).expect("deleted");
    us.kubectl(&["delete", "namespace", "--wait=false", "terraform"]).expect("deleted");
    workspace.write("main.tf", &format!("{}{PRECHECK}", provider(lab, &format!("config_path = \"{}\"", us.kubeconfig_path().display()))));
}

/// The provider's configuration with another access to `us`.
fn provider(lab: &Lab, us_access: &str) -> String {
    let (_, eu) = both(lab);
    format!(
        "{REQUIREMENT}provider \"mesh\" {{\n  clusters = {{\n    us = {{ {us_access} }}\n    eu = {{ config_path = \"{}\" }}\n  }}\n  helm = {{ \
         repository = \"{}\", version = \"{}\", binary = \"{}\" }}\n}}\n",
        eu.kubeconfig_path().display(),
        lab.charts().http,
        lab.charts().version,
        lab.binaries().helm.display()
    )
}

fn summary(workspace: &Workspace) -> String {
    workspace.succeed(&["output", "-raw", "summary"])
}

fn problems(workspace: &Workspace) -> Vec<String> {
    let found: Json = serde_json::from_str(&workspace.succeed(&["output", "-json", "problems"])).expect("JSON");
    found.as_array().expect("a list").iter().map(|line| line.as_str().unwrap_or_default().to_owned()).collect()
}

fn assert_first(workspace: &Workspace, line: &str) {
    workspace.apply();
    assert!(summary(workspace).starts_with(line), "the first line isn't {line:?}:\n{}", summary(workspace));
}
