//! Endpoint discovery both ways: one Service of both clusters, and tokens that are renewed while calls go on.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use mesh_lab::{Cluster, ClusterName, client_manifest, echo_manifest};
use serde_json::Value as Json;

use super::{
    Mesh,
    status::{WAYS, wait_for},
};
use crate::{
    fixture::{example_file, source},
    traffic::{call_from, is_ok, repeat_until},
    workspace::{Workspace, unwrapped},
};

/// The Service of both clusters, by its own name.
const SERVICE: &str = "echo.echo.svc.cluster.local";

/// How both gateways are open for it.
pub(crate) const EXPOSED: &str = "exposed_services = [\"echo/echo\"]";

pub(super) const DISCOVERY: &str = r#"
resource "mesh_remote_secret" "this" {
  for_each = { us = "eu", eu = "us" }

  cluster              = mesh_cluster.this[each.key].cluster
  remote               = mesh_cluster.this[each.value]
  remote_gateway       = mesh_eastwest_gateway.this[each.value]
  token_lifetime_hours = 24
}
"#;

pub(super) fn both_clusters_answer_for_one_service_and_its_tokens_are_renewed_without_a_failed_call(mesh: &Mesh) {
    with_one_service_of_both(mesh, || {
        let Mesh { us, eu, workspace, .. } = mesh;
        a_wrong_server_fails_with_the_reason_of_the_replica(mesh);
        workspace.write("discovery.tf", DISCOVERY);
        workspace.apply();
        workspace.assert_settled();
        let state = workspace.state("mesh_remote_secret.this[\"us\"]");
        assert!(state["expires_at"].is_string() && state["istiod_version"] == "1.31.0", "{state}");
        let everything = format!("{}{}", workspace.read("terraform.tfstate"), workspace.succeed(&["show", "-json"]));
        assert!(!everything.contains("eyJhbGciOi"), "a token is in the state");

        answered_by(us, &[ClusterName::Us, ClusterName::Eu]);
        answered_by(eu, &[ClusterName::Us, ClusterName::Eu]);
        the_status_tells_what_istiod_knows_of_the_gateway(mesh);
        scale(us, 0);
        answered_by(us, &[ClusterName::Eu]);
        tokens_are_renewed_while_calls_go_on(mesh);
        scale(us, 1);
        us.wait_ready("echo", "echo").expect("ready");

        a_token_without_an_end_is_rotated_and_revoked(mesh);
        a_private_api_server_is_read_through_the_gateway(mesh);
        a_manual_change_is_planned_and_mended(us, workspace);
        a_secret_of_others_is_imported(us, workspace);
    });
}

/// A replica that doesn't answer is named, though the other one has read the cluster.
pub(super) fn each_replica_of_istiod_is_asked(mesh: &Mesh) {
    with_one_service_of_both(mesh, || {
        let Mesh { us, workspace, .. } = mesh;
        let two = "concat(var.values.istiod, [yamlencode({ autoscaleEnabled = false, replicaCount = 2 })])";
        workspace.edit("  values       = var.values.istiod\n", &format!("  values       = {two}\n"));
        workspace.apply();
        us.wait_ready("istio-system", "istiod").expect("two replicas");
        let pods = us.kubectl(&["get", "pod", "-n", "istio-system", "-l", "app=istiod", "-o", "name"]).expect("a list");
        let [silent, other] = pods.lines().collect::<Vec<_>>()[..] else { panic!("two replicas: {pods}") };
        let paused = us.pause("istio-system", silent).expect("paused");
        let timeouts = "  timeouts = { create = \"40s\" }\n}\n";
        workspace.write("discovery.tf", &format!("{}{timeouts}", DISCOVERY.trim_end().trim_end_matches('}')));
        let failed = unwrapped(&workspace.fail(&["apply", "-auto-approve", "-no-color"]));
        drop(paused);
        let name = |pod: &str| pod.trim_start_matches("pod/").to_owned();
        assert!(failed.contains("Cluster \"us\" doesn't discover cluster \"eu\""), "{failed}");
        assert!(failed.contains(&format!("{}: ", name(silent))) && !failed.contains(&format!("{}: ", name(other))), "{failed}");
        workspace.write("discovery.tf", DISCOVERY);
        workspace.apply();
        workspace.assert_settled();
        answered_by(us, &[ClusterName::Us, ClusterName::Eu]);
    });
}

/// Runs a test of a mesh in which both clusters have a client and a Service of one name, for which the gateways are open.
pub(super) fn with_one_service_of_both(mesh: &Mesh, test: impl FnOnce()) {
    let Mesh { us, eu, workspace, .. } = mesh;
    let before = workspace.read("main.tf");
    for cluster in [us, eu] {
        cluster.apply(&echo_manifest(cluster.name())).expect("echo");
        cluster.apply(client_manifest()).expect("a client");
        cluster.wait_ready("echo", "echo").expect("echo is ready");
        cluster.wait_ready("echo", "client").expect("the client is ready");
    }
    workspace.edit("  values   = var.values.gateway\n", &format!("  values   = var.values.gateway\n\n  {EXPOSED}\n"));

    test();

    workspace.write("discovery.tf", "");
    workspace.write("main.tf", &before);
    workspace.apply();
    for cluster in [us, eu] {
        let left = cluster.kubectl(&["get", "secret", "-n", "istio-system", "-l", "istio/multiCluster", "-o", "name"]).expect("a list");
        let gateways = cluster.kubectl(&["get", "gateways.networking.istio.io", "-n", "istio-system", "-o", "name"]).expect("a list");
        assert!(left.trim().is_empty() && !gateways.contains("mesh-exposed"), "{left}{gateways}");
    }
    us.kubectl(&["delete", "-n", "echo", "service/echo", "deployment/echo"]).expect("deleted");
    eu.kubectl(&["delete", "-n", "echo", "deployment/client"]).expect("deleted");
}

fn a_wrong_server_fails_with_the_reason_of_the_replica(mesh: &Mesh) {
    let workspace = &mesh.workspace;
    // An address of the WAN that nothing has.
    let wrong = "  server = \"https://198.51.100.250:6443\"\n  timeouts = { create = \"50s\", update = \"50s\" }\n}\n";
    workspace.write("discovery.tf", &format!("{}{wrong}", DISCOVERY.trim_end().trim_end_matches('}')));
    let failed = workspace.fail(&["apply", "-auto-approve", "-no-color"]);
    for words in
        ["Cluster \"us\" doesn't discover cluster \"eu\"", "Pod istio-system/istiod-", "its status of cluster \"eu\"", "198.51.100.250"]
    {
        assert!(failed.contains(words), "{words}: {failed}");
    }
    assert!(workspace.state("mesh_remote_secret.this[\"us\"]")["expires_at"].is_string(), "what was made is in the state");
}

/// The token is kept by a Secret of the EU. A former one opens nothing any more.
fn a_token_without_an_end_is_rotated_and_revoked(mesh: &Mesh) {
    let Mesh { us, eu, workspace, .. } = mesh;
    let secrets = || {
        let shown =
            eu.kubectl(&["get", "secret", "-n", "istio-system", "-l", "mesh.terraform.io/reader-token", "-o", "json"]).expect("a list");
        let list: Json = serde_json::from_str(&shown).expect("JSON");
        list["items"].as_array().expect("items").clone()
    };
    let is_accepted = |token: &str| {
        let url = format!("{}/api/v1/services?limit=1", eu.name().server());
        let curl = [
            "curl",
            "-sk",
            "--max-time",
            "5",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "-H",
            &format!("Authorization: Bearer {token}"),
            &url,
        ];
        let status = us.exec("echo", "deploy/client", &curl).expect("exec").stdout;
        String::from_utf8_lossy(&status) == "200"
    };
    let keep = |rotation: u32| {
        workspace.write("discovery.tf", &DISCOVERY.replace("= 24\n", &format!("= 24\n  legacy_token = true\n  rotation = {rotation}\n")));
        workspace.apply();
        workspace.assert_settled();
        assert!(workspace.state("mesh_remote_secret.this[\"us\"]")["expires_at"].is_null(), "it never ends");
        let [kept] = &secrets()[..] else { panic!("one Secret for the US: {:?}", secrets().len()) };
        let token = kept["data"]["token"].as_str().expect("a token");
        answered_by(us, &[ClusterName::Us, ClusterName::Eu]);
        String::from_utf8(STANDARD.decode(token).expect("base64")).expect("text")
    };
    let first = keep(1);
    assert!(is_accepted(&first));
    let second = keep(2);
    assert!(is_accepted(&second) && !is_accepted(&first), "the former token is revoked");
    let everything = format!("{}{}", workspace.read("terraform.tfstate"), workspace.succeed(&["show", "-json"]));
    assert!(!everything.contains("eyJhbGciOi"), "a token is in the state");

    eu.kubectl(&["delete", "secret", "-n", "istio-system", "-l", "mesh.terraform.io/reader-token"]).expect("deleted");
    let plan = unwrapped(&workspace.changes());
    assert!(plan.contains("it is gone, and its token with it"), "{plan}");
    workspace.apply();
    workspace.assert_settled();
    workspace.write("discovery.tf", DISCOVERY);
    workspace.apply();
    workspace.assert_settled();
    assert!(secrets().is_empty(), "no Secret is left");
}

/// istiod of the US has no other address of the EU's API server than the gateway's.
fn a_private_api_server_is_read_through_the_gateway(mesh: &Mesh) {
    let Mesh { us, eu, workspace, .. } = mesh;
    let example = example_file("private-api-server/gateway.yaml");
    let guide = std::fs::read_to_string(source("docs/guides/discovery.md")).expect("the guide");
    let (_, shown) = example.split_once('\n').expect("a comment first");
    assert!(guide.contains(shown), "the guide shows another example");
    eu.apply(&example).expect("the example");
    let gateway = "mesh_eastwest_gateway.this[each.value]";
    let server = format!(
        "  server = \"https://${{{gateway}.addresses[0]}}:${{{gateway}.port}}\"\n  tls_server_name = \"kubernetes.default.svc\"\n}}\n"
    );
    let reads = DISCOVERY.replace("{ us = \"eu\", eu = \"us\" }", "{ us = \"eu\" }");
    workspace.write("discovery.tf", &format!("{}{server}", reads.trim_end().trim_end_matches('}')));
    workspace.apply();
    workspace.assert_settled();
    let fields = "-o=go-template={{index .data \"eu\" | base64decode}}";
    let kubeconfig = us.kubectl(&["get", "secret", "-n", "istio-system", "istio-remote-secret-eu", fields]).expect("the Secret");
    assert!(kubeconfig.contains(":15443") && !kubeconfig.contains(":6443"), "another address of the API server");
    answered_by(us, &[ClusterName::Us, ClusterName::Eu]);
    scale(eu, 0);
    answered_by(us, &[ClusterName::Us]);
    scale(eu, 1);
    answered_by(us, &[ClusterName::Us, ClusterName::Eu]);

    workspace.write("discovery.tf", DISCOVERY);
    workspace.apply();
    workspace.assert_settled();
    eu.kubectl(&["delete", "-n", "istio-system", "gateways.networking.istio.io/api-server", "virtualservice/api-server"]).expect("deleted");
}

/// istiod takes the port of the other cluster's gateway off a label: with a wrong one, all objects are right and calls fail.
fn the_status_tells_what_istiod_knows_of_the_gateway(mesh: &Mesh) {
    let sight = mesh.beside(WAYS);
    wait_for(&sight, "ok: ");
    let checks = sight.succeed(&["output", "-raw", "ways"]);
    assert_eq!(checks.matches("ok discovery.gateway: 1 pod of istiod know where network").count(), 2, "{checks}");

    let label = |port: &str| {
        let text = format!("networking.istio.io/gatewayPort{port}");
        let arguments = ["label", "service", "-n", "istio-system", "istio-eastwestgateway", "--overwrite", text.as_str()];
        mesh.eu.kubectl(&arguments).expect("labelled");
    };
    label("=15021");
    wait_for(
        &sight,
        "error discovery.gateway: cluster us: istio-system/istio-remote-secret-eu: istiod doesn't know the way to network eu-net: ",
    );
    let summary = sight.succeed(&["output", "-raw", "summary"]);
    assert!(summary.contains(" port 15021, and the gateway of cluster eu has "), "{summary}");
    label("-");
    wait_for(&sight, "ok: ");
}

/// Calls until each of the clusters has answered, and no other does any more.
pub(crate) fn answered_by(from: &Cluster, clusters: &[ClusterName]) {
    let marks: Vec<_> = clusters.iter().map(|name| format!("Cluster={name}")).collect();
    let calls = || (0..12).map(|_| call_from(from, &format!("http://{SERVICE}/"))).collect::<Vec<_>>();
    let is_wanted = |answers: &[String]| {
        answers.iter().all(|answer| is_ok(answer) && marks.iter().any(|mark| answer.contains(mark.as_str())))
            && marks.iter().all(|mark| answers.iter().any(|answer| answer.contains(mark.as_str())))
    };
    let what = format!("{SERVICE} from {} by {marks:?}", from.name());
    repeat_until(&what, || calls().join("\u{1}"), |answers| is_wanted(&answers.split('\u{1}').map(str::to_owned).collect::<Vec<_>>()));
}

/// All pods that answer are in the EU, so a call fails if the US loses their endpoints for a moment.
fn tokens_are_renewed_while_calls_go_on(mesh: &Mesh) {
    let Mesh { us, workspace, .. } = mesh;
    let target = mesh_lab::Target::http(SERVICE, "Cluster=eu");
    let mut traffic = mesh_lab::Traffic::start([(us, vec![target])]).expect("the EU answers");
    for rotation in 1..=3 {
        traffic.mark(format!("rotation {rotation}"));
        let before = workspace.state("mesh_remote_secret.this[\"us\"]")["issued_at"].clone();
        workspace.write("discovery.tf", &DISCOVERY.replace("= 24\n", &format!("= 24\n  rotation = {rotation}\n")));
        let printed = workspace.apply();
        assert!(printed.contains("2 changed"), "{printed}");
        assert_ne!(workspace.state("mesh_remote_secret.this[\"us\"]")["issued_at"], before, "another token");
        traffic.flow(std::time::Duration::from_secs(5));
    }
    let tally = traffic.finish();
    println!("\n{tally}");
    assert!(tally.made() > 300 && tally.not_answered().count() == 0, "{tally}");
    workspace.assert_settled();
}

fn a_manual_change_is_planned_and_mended(us: &Cluster, workspace: &Workspace) {
    let patch = r#"{"metadata":{"annotations":{"networking.istio.io/cluster":"ap"}},"data":{"ap":"QQ=="}}"#;
    us.kubectl(&["patch", "secret", "-n", "istio-system", "istio-remote-secret-eu", "--type=merge", "-p", patch]).expect("patched");
    let plan = unwrapped(&workspace.changes());
    assert!(plan.contains("data.ap: it was added") && plan.contains("\\\"eu\\\" wanted"), "{plan}");
    workspace.apply();
    workspace.assert_settled();
    us.kubectl(&["delete", "secret", "-n", "istio-system", "istio-remote-secret-eu"]).expect("deleted");
    let plan = unwrapped(&workspace.changes());
    assert!(plan.contains("mesh_remote_secret.this[\"us\"] will be created"), "{plan}");
    workspace.apply();
    workspace.assert_settled();
}

/// As `istioctl create-remote-secret` makes it: without our labels and record.
fn a_secret_of_others_is_imported(us: &Cluster, workspace: &Workspace) {
    let name = ["-n", "istio-system", "istio-remote-secret-eu"];
    let shown = us.kubectl(&[&["get", "secret", "-o", "json"], &name[..]].concat()).expect("the Secret");
    let mut secret: Json = serde_json::from_str(&shown).expect("JSON");
    secret["metadata"] = serde_json::json!({
        "name": name[2], "namespace": name[1], "labels": {"istio/multiCluster": "true"}, "annotations": {"networking.istio.io/cluster": "eu"},
    });
    us.kubectl(&[&["delete", "secret"], &name[..]].concat()).expect("deleted");
    us.apply(&secret.to_string()).expect("made anew");
    workspace.succeed(&["state", "rm", "mesh_remote_secret.this[\"us\"]"]);
    let refused = workspace.fail(&["apply", "-auto-approve", "-no-color"]);
    assert!(refused.contains("Already exists") && refused.contains("us/istio-system/eu"), "{refused}");
    workspace.succeed(&["import", "-no-color", "mesh_remote_secret.this[\"us\"]", "us/istio-system/eu"]);
    let plan = unwrapped(&workspace.changes());
    assert!(plan.contains("doesn't manage it") && plan.contains("0 to destroy"), "{plan}");
    workspace.apply();
    workspace.assert_settled();
    answered_by(us, &[ClusterName::Us, ClusterName::Eu]);
}

pub(crate) fn scale(cluster: &Cluster, replicas: u32) {
    cluster.kubectl(&["scale", "-n", "echo", "deployment/echo", &format!("--replicas={replicas}")]).expect("scaled");
}
