//! Calls by scripted clients.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::ports::{
    Failure, FailureKind,
    fakes::{FakeClock, FakeCommands, FakeObjects, FakeReleases},
};
use framework::{Outcome, decode, encode, erase_data_source};

const GOOD: &str = "HTTP/1.1 200 OK\r\nx-envoy-upstream-service-time: 2\r\nserver: envoy\r\n\r\nCluster=eu";
const REFUSED: &str = "HTTP/1.1 503 Service Unavailable\r\nserver: envoy\r\n\r\nupstream connect error or disconnect/reset before headers. reset reason: \
                       connection termination";

struct Scene {
    objects: Arc<FakeObjects>,
    commands: Arc<FakeCommands>,
}

impl Scene {
    /// A cluster `us` with a pod that has a sidecar.
    fn new() -> Self {
        let objects = Arc::new(FakeObjects::default());
        objects.put("us", as_pod(crate::mesh::inventory::fixture::pod("client-1", true, true)));
        Self { objects, commands: Arc::default() }
    }

    async fn read(&self, model: ProbeModel) -> (Option<ProbeModel>, Outcome) {
        let mut world = World::fake(&self.objects, &Arc::new(FakeReleases::default()), &FakeClock::default());
        world.commands = self.commands.clone();
        let outcome = erase_data_source::<MeshProbe>().read(&encode(&Value::Value(model)), &world, CancellationToken::new()).await;
        let found = match decode(&outcome.found, &AttributePath::root()).unwrap() {
            Value::Value(found) => Some(found),
            _ => None,
        };
        (found, outcome)
    }

    async fn result(&self, model: ProbeModel) -> ProbeModel {
        let (found, outcome) = self.read(model).await;
        found.unwrap_or_else(|| panic!("{:?}", outcome.diagnostics))
    }

    fn pods(&self) -> Vec<String> {
        self.objects.names("us").into_iter().filter(|name| name.starts_with("Pod ")).collect()
    }
}

/// The pod as an API server sends it.
fn as_pod(mut pod: Json) -> Json {
    pod["apiVersion"] = "v1".into();
    pod["kind"] = "Pod".into();
    pod
}

fn text(text: &str) -> Value<String> {
    Value::Value(text.to_owned())
}

fn plain(value: &Value<String>) -> &str {
    value.as_ref_option().map(String::as_str).unwrap_or_default()
}

fn model() -> ProbeModel {
    let labels = Value::Value([("app".to_owned(), text("client"))].into());
    let from = CallerModel { namespace: text("echo"), labels, ..CallerModel::default() };
    ProbeModel { cluster: text("us"), url: text("http://echo.eu.mesh.local/"), from: Value::Value(from), ..ProbeModel::default() }
}

fn created() -> ProbeModel {
    let from = CallerModel { namespace: text("echo"), image: text("curl:1"), ..CallerModel::default() };
    ProbeModel { from: Value::Value(from), ..model() }
}

#[tokio::test]
async fn calls_are_made_from_the_pod_and_the_first_that_fails_is_the_result() {
    let scene = Scene::new();
    let errors = "\nmesh-probe 0.012\n";
    for output in [GOOD, REFUSED, GOOD] {
        scene.commands.prints(output, errors, 0);
    }
    let found = scene.result(ProbeModel { requests: Value::Value(3), ..model() }).await;
    assert_eq!((found.ok, found.succeeded, found.status), (Value::Value(false), Value::Value(2), Value::Value(503)));
    assert_eq!((plain(&found.reason), plain(&found.pod), plain(&found.answered_by)), ("reset", "echo/client-1", ""));
    assert!(plain(&found.summary).starts_with("reset cluster us: http://echo.eu.mesh.local/: The answer was 503 after 12 ms: upstream"));
    assert!(!plain(&found.fix).is_empty());
    assert_eq!(found.calls.as_ref_option().map(Vec::len), Some(3));
    let run = scene.commands.run();
    assert!(run.iter().all(|command| (command.pod.as_str(), command.container.as_str()) == ("client-1", "client")), "{run:?}");

    scene.commands.prints(GOOD, errors, 0);
    let found = scene.result(model()).await;
    assert_eq!((found.ok, plain(&found.reason), plain(&found.cause), found.latency_ms), (Value::Value(true), "ok", "", Value::Value(12)));
    assert_eq!((plain(&found.body), plain(&found.answered_by)), ("Cluster=eu", "application"));
}

#[tokio::test]
async fn the_sidecar_says_who_answered_each_call() {
    let scene = Scene::new();
    let counted = |status: &str, eu: u32, us: u32| {
        let line = |cluster: &str, count: u32| {
            format!(
                "istio_requests_total{{reporter=\"source\",destination_service=\"echo.eu.mesh.local\",response_code=\"{status}\",\
                 destination_cluster=\"{cluster}\",destination_principal=\"spiffe://corp.local/ns/echo/sa/{cluster}\"}} {count}\n"
            )
        };
        line("eu", eu) + &line("us", us)
    };
    // The second call is counted late, and the third one not at all.
    for (eu, us) in [(1, 1), (2, 1), (2, 1), (2, 2), (2, 2), (2, 2), (2, 2), (2, 2)] {
        scene.commands.counts(&counted("200", eu, us));
    }
    for _ in 0..3 {
        scene.commands.prints(GOOD, "\nmesh-probe 0.012\n", 0);
    }
    let found = scene.result(ProbeModel { requests: Value::Value(3), ..model() }).await;
    let calls: Vec<_> = found.calls.as_ref_option().into_iter().flatten().filter_map(Value::as_ref_option).collect();
    let answered = |call: &CallModel| (plain(&call.answering_cluster).to_owned(), plain(&call.answering_identity).to_owned());
    let of = |cluster: &str| (cluster.to_owned(), format!("spiffe://corp.local/ns/echo/sa/{cluster}"));
    assert_eq!(calls.iter().map(|call| answered(call)).collect::<Vec<_>>(), [of("eu"), of("us"), Default::default()]);
    assert_eq!((plain(&found.answering_cluster), found.answering_identity), ("eu", text("spiffe://corp.local/ns/echo/sa/eu")));

    scene.commands.prints(GOOD, "\nmesh-probe 0.012\n", 0);
    let found = scene.result(model()).await;
    assert_eq!((found.ok, found.answering_cluster), (Value::Value(true), Value::Null), "the sidecar says nothing");
}

#[tokio::test]
async fn a_probe_that_is_not_enabled_contacts_nothing() {
    let scene = Scene::new();
    scene.objects.take_down("us", Failure::new(FailureKind::Unreachable, "down", "down"));
    let found = scene.result(ProbeModel { enabled: Value::Value(false), ..model() }).await;
    assert_eq!((plain(&found.reason), found.ok, found.calls.as_ref_option().map(Vec::len)), ("disabled", Value::Value(false), Some(0)));
    assert!(scene.commands.run().is_empty());
}

#[tokio::test]
async fn wget_is_used_where_there_is_no_curl() {
    let scene = Scene::new();
    scene.commands.prints("", "timeout: no", 127);
    scene.commands.prints("Cluster=eu", "  HTTP/1.1 200 OK\n  server: envoy\n", 0);
    let found = scene.result(model()).await;
    assert_eq!((plain(&found.reason), found.latency_ms), ("ok", Value::Null));
    assert_eq!(scene.commands.run()[1].arguments[2], "wget");
    let found = scene.result(model()).await;
    assert_eq!(plain(&found.reason), "not_tried");
    assert!(plain(&found.seen).contains("has no curl and no wget"), "{}", plain(&found.seen));
}

#[tokio::test]
async fn whatever_keeps_a_call_from_being_made_is_a_result() {
    let scene = Scene::new();
    let labels = |app: &str| Value::Value([("app".to_owned(), text(app))].into());
    let from = |labels| Value::Value(CallerModel { namespace: text("echo"), labels, ..CallerModel::default() });
    let seen = async |model| plain(&scene.result(model).await.seen).to_owned();
    assert!(seen(ProbeModel { from: from(labels("other")), ..model() }).await.starts_with("There is no pod with the labels app=other"));
    scene.commands.answers(Err(Failure::new(FailureKind::Denied, "Can't run a command", "It isn't allowed.").advice("Bind a role.")));
    assert_eq!(seen(model()).await, "Can't run a command. It isn't allowed. Bind a role.");
    scene.objects.take_down("us", Failure::new(FailureKind::Unreachable, "Can't reach cluster", "Refused."));
    assert_eq!(seen(model()).await, "Can't reach cluster. Refused.");
}

#[tokio::test]
async fn a_wrong_configuration_is_an_error() {
    let scene = Scene::new();
    let mut named = model();
    if let Value::Value(from) = &mut named.from {
        from.container = text("tools");
    }
    let (_, outcome) = scene.read(named).await;
    assert!(outcome.diagnostics.errors[0].detail.contains("they have client"), "{:?}", outcome.diagnostics);
    let (_, outcome) = scene.read(ProbeModel { cluster: text("asia"), ..model() }).await;
    assert!(outcome.diagnostics.errors[0].detail.contains("no cluster `asia`"), "{:?}", outcome.diagnostics);
}

#[tokio::test(start_paused = true)]
async fn a_pod_of_ours_that_does_not_become_ready_is_deleted() {
    let scene = Scene::new();
    let found = scene.result(created()).await;
    assert_eq!(plain(&found.reason), "not_tried");
    assert!(plain(&found.seen).contains("waiting for its containers to be ready"), "{}", plain(&found.seen));
    assert_eq!(scene.pods(), ["Pod echo/client-1"]);
}

#[tokio::test(start_paused = true)]
async fn pods_of_killed_runs_are_deleted_by_the_next_probe() {
    let scene = Scene::new();
    for (name, run, phase) in [("dead", "here.99", "Running"), ("ended", "elsewhere.1", "Failed"), ("at-work", "elsewhere.2", "Running")] {
        let labels = json!({
            "app.kubernetes.io/managed-by": "terraform-provider-mesh", "mesh.terraform.io/probe": "true", "mesh.terraform.io/probe-run": run,
        });
        let metadata = json!({"namespace": "echo", "name": name, "labels": labels});
        scene.objects.put("us", json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": {"phase": phase}}));
    }
    scene.result(created()).await;
    assert_eq!(scene.pods(), ["Pod echo/at-work", "Pod echo/client-1"]);
}
