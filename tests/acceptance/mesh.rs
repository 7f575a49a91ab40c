//! The mission: one apply from two bare clusters to a call that crosses regions. And what the other tests share of it.

use std::time::{Duration, Instant};

use mesh_lab::{Cluster, ClusterName, Lab, client_manifest, echo_manifest};
use serde_json::{Value as Json, json};

use crate::workspace::{Cli, Workspace, clis};

pub(crate) const HOST: &str = "echo.eu.mesh.local";

/// The lab with both clusters bare, but for the workloads of users who have no mesh yet: `echo` in the EU, `client` in the US.
pub(crate) fn bare_clusters() -> Lab {
    let lab = Lab::attach().expect("a lab; `make lab-up` makes one");
    lab.clean().expect("clean clusters");
    let (us, eu) = both(&lab);
    eu.apply(&echo_manifest(ClusterName::Eu)).expect("echo");
    us.apply(client_manifest()).expect("client");
    for cluster in [&us, &eu] {
        // Kubernetes puts its own root into a new namespace in its own time; whoever counts what is there waits for it.
        let root = ["wait", "-n", "echo", "--for=create", "configmap/kube-root-ca.crt", "--timeout=120s"];
        cluster.kubectl(&root).expect("the namespace is whole");
    }
    lab
}

pub(crate) fn both(lab: &Lab) -> (Cluster, Cluster) {
    (lab.cluster("us").expect("us"), lab.cluster("eu").expect("eu"))
}

/// The variables of the examples, for the lab.
pub(crate) fn variables(lab: &Lab) -> String {
    let (us, eu) = both(lab);
    json!({
        "clusters": {"us": {"config_path": us.kubeconfig_path()}, "eu": {"config_path": eu.kubeconfig_path()}},
        "helm": {"repository": lab.charts().http, "version": lab.charts().version, "binary": lab.binaries().helm},
        "values": {"istiod": [mesh_lab::lab_values()], "gateway": [mesh_lab::gateway_values()]},
    })
    .to_string()
}

/// The example `two-clusters`, applied.
pub(crate) fn applied_example(lab: &Lab, cli: &Cli) -> Workspace {
    let workspace = example(lab, cli);
    workspace.apply();
    workspace
}

pub(crate) fn example(lab: &Lab, cli: &Cli) -> Workspace {
    let workspace = Workspace::of_example(cli, "two-clusters");
    workspace.write("terraform.tfvars.json", &variables(lab));
    workspace
}

/// Gives the workloads their sidecars, as a user does once the mesh is there; returns when the pods without are gone.
pub(crate) fn restart_workloads(lab: &Lab) {
    let (us, eu) = both(lab);
    for (cluster, name) in [(&us, "client"), (&eu, "echo")] {
        let pods = cluster.kubectl(&["get", "pods", "-n", "echo", "-o", "name"]).expect("pods");
        cluster.kubectl(&["rollout", "restart", "-n", "echo", &format!("deployment/{name}")]).expect("restarted");
        cluster.wait_ready("echo", name).expect("ready");
        for pod in pods.split_whitespace() {
            cluster.kubectl(&["wait", "-n", "echo", "--for=delete", pod, "--timeout=60s"]).expect("gone");
        }
    }
}

/// One fresh call from the US; what curl printed, the status code last.
pub(crate) fn call(lab: &Lab, url: &str) -> String {
    let (us, _) = both(lab);
    let curl = ["curl", "-sS", "--max-time", "5", "-H", "Connection: close", "-w", "\n%{http_code}", url];
    let output = us.exec("echo", "deploy/client", &curl).expect("exec");
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Calls until the answer is as wanted: configuration takes a moment to reach every proxy.
pub(crate) fn call_until(lab: &Lab, url: &str, wanted: impl Fn(&str) -> bool) -> String {
    let begin = Instant::now();
    loop {
        let answer = call(lab, url);
        if wanted(&answer) {
            return answer;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "for a minute, {url} was never answered as wanted; last:\n{answer}");
        std::thread::sleep(Duration::from_millis(500));
    }
}

pub(crate) fn is_ok(answer: &str) -> bool {
    answer.lines().any(|line| line.trim() == "200")
}

/// Everything of a cluster that a mesh could leave behind: each object with its namespace, and the namespaces with their labels.
fn inventory(cluster: &Cluster) -> Vec<String> {
    let kinds = "namespaces,clusterroles,clusterrolebindings,validatingwebhookconfigurations,mutatingwebhookconfigurations,configmaps,secrets,\
                 services,deployments,serviceaccounts";
    let columns = "custom-columns=KIND:.kind,NAMESPACE:.metadata.namespace,NAME:.metadata.name";
    let objects = cluster.kubectl(&["get", kinds, "-A", "--no-headers", "-o", columns]).expect("an inventory");
    let labels =
        cluster.kubectl(&["get", "namespaces", "--no-headers", "-o", "custom-columns=NAME:.metadata.name,LABELS:.metadata.labels"]);
    let labels = labels.expect("labels");
    let mut all: Vec<_> = objects.lines().chain(labels.lines()).map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    all.sort();
    all
}

#[test]
fn one_apply_makes_the_call_cross_regions() {
    for cli in clis(&Lab::attach().expect("a lab")) {
        println!("{}: one apply", cli.name);
        let lab = bare_clusters();
        let (us, eu) = both(&lab);
        let before = [inventory(&us), inventory(&eu)];

        let workspace = example(&lab, &cli);
        let begin = Instant::now();
        workspace.apply();
        println!("{}: applied in {:?}", cli.name, begin.elapsed());
        workspace.assert_settled();
        crate::listing::assert_everything_is_listed(&lab);

        restart_workloads(&lab);
        let answer = call_until(&lab, &format!("http://{HOST}/"), is_ok);
        assert!(answer.contains("Cluster=eu"), "not answered in the EU:\n{answer}");
        assert!(answer.contains("URI=spiffe://corp.local/ns/echo/sa/client"), "the server didn't see the client's identity:\n{answer}");

        assert_unexported_is_closed(&lab, &workspace);
        assert_importable(&lab, &cli, &workspace);

        workspace.succeed(&["destroy", "-auto-approve", "-no-color", "-target=mesh_service_export.echo"]);
        call_until(&lab, &format!("http://{HOST}/"), |answer| !is_ok(answer));

        workspace.destroy();
        // The namespaces' own ConfigMaps and Secrets of the workloads stay; nothing of the mesh does.
        assert_eq!([inventory(&us), inventory(&eu)], before, "{}: destroy left the clusters changed", cli.name);

        workspace.apply();
        workspace.assert_settled();
        restart_workloads(&lab);
        call_until(&lab, &format!("http://{HOST}/"), is_ok);
        workspace.destroy();
    }
}

/// A Service of the EU that isn't exported can't be had through the gateway, not even by who names it to the gateway.
fn assert_unexported_is_closed(lab: &Lab, workspace: &Workspace) {
    let (us, _) = both(lab);
    let address = workspace.state("mesh_eastwest_gateway.this[\"eu\"]")["addresses"][0].as_str().expect("an address").to_owned();
    let entry = format!(
        "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: sneak, namespace: echo}}\nspec:\n  hosts: \
         [echo.echo.svc.cluster.local.sneak]\n  location: MESH_INTERNAL\n  resolution: STATIC\n  addresses: [240.9.9.9]\n  ports: [{{number: 80, name: http, \
         protocol: HTTP}}]\n  endpoints: [{{address: {address}, ports: {{http: 15443}}, labels: {{security.istio.io/tlsMode: istio}}}}]\n---\napiVersion: \
         networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: sneak, namespace: echo}}\nspec:\n  host: \
         echo.echo.svc.cluster.local.sneak\n  trafficPolicy: {{tls: {{mode: ISTIO_MUTUAL, sni: outbound_.80_._.echo.echo.svc.cluster.local}}}}\n"
    );
    us.apply(&entry).expect("the sneaky entry");
    let answer = call_until(lab, "http://echo.echo.svc.cluster.local.sneak/", |answer| answer.contains("503") || is_ok(answer));
    assert!(!is_ok(&answer), "a Service that isn't exported was reached:\n{answer}");
    us.kubectl(&["delete", "-n", "echo", "serviceentry/sneak", "destinationrule/sneak"]).expect("deleted");
}

/// What the example makes, and by which names an import finds it.
const IMPORTS: [(&str, &str); 8] = [
    ("mesh_root_ca.mesh", "us/istio-system/mesh-root-ca"),
    ("mesh_cluster_ca.this[\"us\"]", "us/istio-system"),
    ("mesh_cluster_ca.this[\"eu\"]", "eu/istio-system"),
    ("mesh_cluster.this[\"us\"]", "us/istio-system"),
    ("mesh_cluster.this[\"eu\"]", "eu/istio-system"),
    ("mesh_eastwest_gateway.this[\"us\"]", "us/istio-system/istio-eastwestgateway"),
    ("mesh_eastwest_gateway.this[\"eu\"]", "eu/istio-system/istio-eastwestgateway"),
    ("mesh_service_export.echo", "eu/echo/echo.eu.mesh.local"),
];

/// All five resources can be imported into an empty state, and then nothing is to be changed.
fn assert_importable(lab: &Lab, cli: &Cli, applied: &Workspace) {
    let imported = example(lab, cli);
    for (address, id) in IMPORTS {
        imported.succeed(&["import", "-no-color", address, id]);
        // The values come back as one text of another layout; that they mean the same shows in the empty plan.
        let [is, was] = [imported.state(address), applied.state(address)].map(|mut state| {
            state["values"].take();
            state
        });
        assert_eq!(is, was, "{}: {address} was imported as something else", cli.name);
    }
    // Outputs are no part of an import.
    imported.succeed(&["apply", "-refresh-only", "-auto-approve", "-no-color"]);
    imported.assert_settled();
    if cli.version() >= (1, 12) {
        assert_importable_by_identity(lab, cli, applied);
    }
}

/// The same by `import` blocks with identities.
fn assert_importable_by_identity(lab: &Lab, cli: &Cli, applied: &Workspace) {
    let imported = example(lab, cli);
    let blocks = IMPORTS.iter().map(|(address, id)| {
        let last = if address.starts_with("mesh_service_export") { "host" } else { "name" };
        let parts = ["cluster", "namespace", last].into_iter().zip(id.split('/')).map(|(name, part)| format!("{name} = \"{part}\""));
        format!("import {{\n  to = {address}\n  identity = {{ {} }}\n}}\n", parts.collect::<Vec<_>>().join(", "))
    });
    imported.write("imports.tf", &blocks.collect::<String>());
    let plan = imported.changes();
    assert!(plan.contains("8 to import, 0 to add, 0 to change, 0 to destroy"), "{}: {plan}", cli.name);
    imported.apply();
    for (address, _) in IMPORTS {
        let [mut is, mut was] = [imported.state(address), applied.state(address)];
        (is["values"], was["values"]) = (Json::Null, Json::Null);
        assert_eq!(is, was, "{}: {address} was imported by its identity as something else", cli.name);
    }
    imported.assert_settled();
}

#[test]
fn the_module_makes_a_mesh_with_several_ports() {
    let lab = bare_clusters();
    for cli in clis(&lab) {
        let module = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/modules/mesh");
        let workspace = Workspace::new(
            &cli,
            &format!(
                r#"
                terraform {{
                  required_providers {{
                    mesh = {{ source = "terraform-provider-mesh/mesh" }}
                  }}
                }}
                variable "clusters" {{ type = any }}
                variable "helm" {{ type = any }}
                variable "values" {{ type = any }}
                provider "mesh" {{
                  clusters = var.clusters
                  helm     = var.helm
                }}
                module "mesh" {{
                  source         = "{module}"
                  mesh_id        = "training-mesh"
                  networks       = {{ us = "us-net", eu = "eu-net" }}
                  istiod_values  = var.values.istiod
                  gateway_values = var.values.gateway
                  exports = {{
                    "{HOST}" = {{ cluster = "eu", namespace = "echo", service = "echo", service_accounts = ["echo"] }}
                  }}
                }}
                "#,
                module = module.display(),
            ),
        );
        workspace.write("terraform.tfvars.json", &variables(&lab));
        workspace.succeed(&["get"]);
        workspace.apply();
        workspace.assert_settled();
        restart_workloads(&lab);
        assert!(call_until(&lab, &format!("http://{HOST}/"), is_ok).contains("spiffe://cluster.local/ns/echo/sa/client"));
        // TCP: the echo server says what it was told. gRPC: HTTP/2 with prior knowledge gets that far.
        let tcp = "exec 3<>/dev/tcp/echo.eu.mesh.local/9090; echo hello >&3; timeout 5 cat <&3";
        let (us, _) = both(&lab);
        let answer = us.exec("echo", "deploy/client", &["bash", "-c", tcp]).expect("exec");
        assert!(String::from_utf8_lossy(&answer.stdout).contains("hello"), "TCP isn't answered: {answer:?}");
        let grpc = us
            .exec(
                "echo",
                "deploy/client",
                &[
                    "curl",
                    "-sS",
                    "-o",
                    "/dev/null",
                    "--http2-prior-knowledge",
                    "-H",
                    "content-type: application/grpc",
                    "-X",
                    "POST",
                    "-D",
                    "-",
                    "http://echo.eu.mesh.local:7070/proto.EchoTestService/None",
                ],
            )
            .expect("exec");
        assert!(String::from_utf8_lossy(&grpc.stdout).contains("grpc-status: 12"), "gRPC isn't answered: {grpc:?}");
        workspace.destroy();
    }
}
