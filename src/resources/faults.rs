//! A fault at each step. Whichever call behind the ports fails while a resource is created, updated or destroyed, and whether or not the call
//! did its work: a plain apply after it converges, replaces nothing, and leaves the objects of an apply that was not disturbed.

use std::sync::{Arc, OnceLock};

use framework::protocol::wire::{Diagnostic, get_provider_schema};
use plugin_host::{Action, Object, Outcome, diagnostics::has_errors, rules, serve, values::get};
use rmpv::Value;
use serde_json::{Value as Json, json};

use super::{
    round_trip::value,
    testing::{FakeMesh, balancer, echo, gateway_api, injector, istiod},
};
use crate::{
    data::ObjectRef,
    ports::fakes::{Effect, FakeClock, FakeObjects, FakeReleases, Faulty},
    world::World,
};

/// What a resource is created with, and what it is updated to. CAs make the namespace, which nothing else is in.
pub(super) fn configurations(name: &str, root: &Json) -> [Json; 2] {
    match name {
        "mesh_cluster_ca_request" => {
            [json!(null), json!(1)].map(|rotation| json!({"cluster": "eu", "namespace": "trust", "rotation": rotation}))
        }
        "mesh_root_ca" => [json!(null), json!(1)].map(|rotation| json!({"cluster": "us", "namespace": "trust", "rotation": rotation})),
        "mesh_cluster_ca" => [json!(null), json!("Corp")]
            .map(|organization| json!({"cluster": "eu", "namespace": "trust", "root_ca": root, "organization": organization})),
        "mesh_cluster" => [
            json!({"cluster": "eu", "mesh_id": "m", "network": "eu-net", "mtls_mode": "STRICT"}),
            json!({"cluster": "eu", "mesh_id": "m", "network": "other-net", "dns_capture": false}),
        ],
        "mesh_eastwest_gateway" => [
            json!({"cluster": "eu", "network": "eu-net", "exposed_services": ["shop/echo"]}),
            json!({"cluster": "eu", "network": "eu-net", "replicas": 2}),
        ],
        "mesh_link" => {
            ["198.51.100.9", "lb.example.com"].map(|address| json!({"cluster": "us", "network": "eu-net", "addresses": [address]}))
        }
        "mesh_remote_secret" => [("eu", 1, true), ("europe", 2, false)].map(|(name, rotation, is_endless)| {
            json!({
                "cluster": "us", "remote": {"cluster": "eu", "cluster_name": name}, "rotation": rotation, "legacy_token": is_endless,
            })
        }),
        "mesh_service_export" => {
            let gateway =
                json!({"cluster": "eu", "namespace": "istio-system", "name": "istio-eastwestgateway", "addresses": ["198.51.100.9"]});
            [("echo", true), ("imports", false)].map(|(namespace, has_rule)| {
                json!({
                    "host": "echo.mesh.local", "namespace": "echo", "service": "echo", "trust_domain": "corp.local", "gateway": gateway,
                    "importers": ["us"], "importer_namespace": namespace, "destination_rule": has_rule,
                })
            })
        }
        "mesh_service_import" => [("198.51.100.9", true), ("198.51.100.10", false)].map(|(address, has_rule)| {
            json!({
                "cluster": "us", "destination_rule": has_rule,
                "service": {
                    "host": "echo.mesh.local", "address": "240.0.0.2", "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}],
                    "identities": [], "gateway_addresses": [address],
                },
            })
        }),
        "mesh_global_service" => {
            let gateway =
                |cluster: &str| json!({"cluster": cluster, "namespace": "istio-system", "name": "gw", "network": format!("{cluster}-net")});
            let both = json!({
                "host": "echo.mesh.local", "namespace": "echo", "service": "echo", "trust_domain": "corp.local", "service_accounts": ["echo"],
                "gateways": {"us": gateway("us"), "eu": gateway("eu")}, "callers": [],
            });
            let mut drained = both.clone();
            drained["weights"] = json!({"us": 0});
            [both, drained]
        }
        other => panic!("{other} has no configurations here: add two, the second an update of the first"),
    }
}

/// A CLI with a provider over clusters of its own.
pub(super) struct Scene {
    name: &'static str,
    pub(super) objects: Arc<FakeObjects>,
    pub(super) releases: Arc<FakeReleases>,
    pub(super) faulty: Faulty,
    pub(super) mesh: FakeMesh,
    pub(super) session: plugin_host::Session,
    pub(super) root: Json,
}

impl Scene {
    /// With all that the resource needs in place.
    pub(super) async fn new(name: &'static str) -> Self {
        let (objects, releases) = (Arc::new(FakeObjects::default()), Arc::new(FakeReleases::default()));
        for cluster in ["us", "eu"] {
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-system"}});
            for object in [namespace, echo(), injector(), gateway_api(), istiod("istio-system")] {
                objects.put(cluster, object);
            }
        }
        let faulty = Faulty::new(&objects, &releases);
        let world = {
            let (objects, releases, faulty) = (objects.clone(), releases.clone(), Arc::new(faulty.clone()));
            move || World { objects: faulty.clone(), releases: faulty.clone(), ..World::fake(&objects, &releases, &FakeClock::default()) }
        };
        let mesh = FakeMesh(Arc::new(world));
        let mut session = Self::begin(&mesh).await;
        let mut root = Json::Null;
        if name == "mesh_cluster_ca" {
            let config = session.config("mesh_root_ca", &[("cluster", "us".into())]);
            let made = session.apply("mesh_root_ca", &Object::absent(), &config).await.object.state;
            let part = |name: &str| get(&made, name).as_str().expect("a string").to_owned();
            root = json!({"cluster": "us", "namespace": part("namespace"), "name": part("name"), "fingerprint": part("fingerprint")});
        }
        Self { name, objects, releases, faulty, mesh, session, root }
    }

    /// A process of the provider.
    pub(super) async fn begin(mesh: &FakeMesh) -> plugin_host::Session {
        static SCHEMA: OnceLock<get_provider_schema::Response> = OnceLock::new();
        let provider = serve(mesh.clone()).await.0;
        let mut session = match SCHEMA.get() {
            Some(schema) => plugin_host::Session::with_schema(provider, schema.clone()),
            None => plugin_host::Session::begin(provider).await,
        };
        SCHEMA.get_or_init(|| session.schema.clone());
        let attributes = session.schema.provider.clone().and_then(|schema| schema.block).expect("a block").attributes;
        assert!(!has_errors(&session.configure(&rules::config(&attributes, &[])).await));
        session
    }

    /// The configuration of the resource with this number.
    pub(super) fn config(&self, number: usize) -> Value {
        self.config_of(&configurations(self.name, &self.root)[number])
    }

    /// A configuration of the resource.
    pub(super) fn config_of(&self, configuration: &Json) -> Value {
        let set: Vec<_> = configuration.as_object().expect("an object").iter().map(|(key, set)| (key.as_str(), value(set))).collect();
        self.session.config(self.name, &set)
    }

    /// Makes the gateways' Services, with addresses, as their chart and the cloud do.
    pub(super) fn make_services(&self) {
        for cluster in ["us", "eu"] {
            self.objects.put(cluster, balancer("198.51.100.9"));
        }
    }

    /// A run of the CLI: refreshes, plans and applies.
    pub(super) async fn run(&mut self, object: &Object, config: &Value) -> (Action, Outcome) {
        self.make_services();
        let object = self.session.refresh(self.name, object).await.object;
        let plan = self.session.plan(self.name, &object, config).await;
        (plan.action, self.session.apply_plan(self.name, &object, config, &plan).await)
    }

    /// Applies without a fault.
    pub(super) async fn settled(&mut self, object: &Object, config: &Value) -> Object {
        let outcome = self.run(object, config).await.1;
        assert!(!has_errors(&outcome.diagnostics), "{}: {:#?}", self.name, outcome.diagnostics);
        outcome.object
    }

    /// Everything in both clusters, but for the gateways' Services.
    fn everything(&self) -> Vec<String> {
        let service = "Service istio-system/istio-eastwestgateway";
        let of = |cluster: &'static str| {
            let names = self.objects.names(cluster).into_iter().chain(self.releases.names(cluster));
            names.filter(move |name| name != service).map(move |name| format!("{cluster}: {name}"))
        };
        of("us").chain(of("eu")).collect()
    }
}

/// How an apply that meets a fault begins, what it applies, and what is applied after it; null destroys.
#[derive(Clone, Copy, Debug)]
struct Course {
    before: Option<usize>,
    disturbed: Option<usize>,
    after: Option<usize>,
}

const COURSES: [Course; 6] = [
    Course { before: None, disturbed: Some(0), after: Some(0) },
    // A create that failed is given up.
    Course { before: None, disturbed: Some(0), after: None },
    Course { before: Some(0), disturbed: Some(1), after: Some(1) },
    // An update that failed is taken back.
    Course { before: Some(0), disturbed: Some(1), after: Some(0) },
    Course { before: Some(0), disturbed: None, after: None },
    // A destroy that failed is thought better of.
    Course { before: Some(0), disturbed: None, after: Some(0) },
];

fn config(scene: &Scene, number: Option<usize>) -> Value {
    number.map_or(Value::Nil, |number| scene.config(number))
}

/// Returns everything that there is after a course without a fault.
async fn undisturbed(name: &'static str, course: Course) -> Vec<String> {
    let (mut scene, mut object) = (Scene::new(name).await, Object::absent());
    for step in [course.before, course.after] {
        if step.is_some() || object != Object::absent() {
            let to = config(&scene, step);
            object = scene.settled(&object, &to).await;
        }
    }
    scene.everything()
}

/// Goes through a course with a fault at a call; returns what went wrong, and whether there was such a call.
async fn disturbed(name: &'static str, course: Course, wanted: &[String], call: usize, effect: Effect) -> (Vec<String>, bool) {
    let mut scene = Scene::new(name).await;

    let mut object = Object::absent();
    if course.before.is_some() {
        let to = config(&scene, course.before);
        object = scene.settled(&object, &to).await;
    }
    let to = config(&scene, course.disturbed);
    scene.make_services();
    object = scene.session.refresh(name, &object).await.object;
    let plan = scene.session.plan(name, &object, &to).await;
    scene.faulty.fail_at(call, effect);
    let failed = scene.session.apply_plan(name, &object, &to, &plan).await;
    let is_met = scene.faulty.mend();
    let mut problems = Vec::new();
    if !is_met && has_errors(&failed.diagnostics) {
        problems.push(format!("failed without a fault: {}", told(&failed.diagnostics)));
    }

    // The next run is another process.
    scene.session = Scene::begin(&scene.mesh).await;
    let to = config(&scene, course.after);
    let (action, outcome) = scene.run(&failed.object, &to).await;
    if has_errors(&outcome.diagnostics) {
        problems.push(format!("{action:?} did not converge after `{}`: {}", told(&failed.diagnostics), told(&outcome.diagnostics)));
    }
    let deleted = scene.faulty.deleted();
    if course.disturbed == Some(0) && course.after == Some(0) && !deleted.is_empty() {
        problems.push(format!("{action:?} deletes {deleted:?}"));
    }
    if scene.everything() != wanted {
        problems.push(format!("left {:?} instead of {wanted:?}", scene.everything()));
    }
    if course.after.is_some() {
        let object = scene.session.refresh(name, &outcome.object).await.object;
        let action = scene.session.plan(name, &object, &to).await.action;
        if action != Action::NoOp {
            problems.push(format!("the plan after it is {action:?}"));
        }
    }
    (problems, is_met)
}

fn told(diagnostics: &[Diagnostic]) -> String {
    diagnostics
        .iter()
        .map(|one| format!("{}: {}", one.summary, one.detail.lines().next().unwrap_or_default()))
        .collect::<Vec<_>>()
        .join("; ")
}

async fn gets_over_every_fault(name: &'static str) {
    let mut problems = Vec::new();
    for course in COURSES {
        let wanted = undisturbed(name, course).await;
        for effect in [Effect::None, Effect::Done] {
            for call in 0.. {
                let (found, is_met) = disturbed(name, course, &wanted, call, effect).await;
                problems.extend(found.into_iter().map(|problem| format!("{course:?}, call {call}, effect {effect:?}: {problem}")));
                if !is_met {
                    assert!(call > 0, "{name}: {course:?} calls nothing");
                    break;
                }
            }
        }
    }
    assert!(problems.is_empty(), "{name}: {} problems\n{}", problems.len(), problems.join("\n"));
}

/// Somebody else makes an object of the resource's just before the resource does.
async fn leaves_what_others_make(name: &'static str) -> Vec<String> {
    let mut scene = Scene::new(name).await;
    scene.make_services();
    let before = ["us", "eu"].map(|cluster| scene.objects.all(cluster));
    let to = scene.config(0);
    scene.settled(&Object::absent(), &to).await;
    let made = ["us", "eu"].iter().zip(&before).flat_map(|(cluster, before)| {
        let after = scene.objects.all(cluster).into_iter();
        after
            // A namespace of others is used.
            .filter(|object| object["kind"] != "Namespace")
            .filter(|object| !before.iter().any(|was| ObjectRef::of(was, "") == ObjectRef::of(object, "")))
            .map(|object| (*cluster, object))
    });
    let made: Vec<_> = made.collect();
    assert!(!made.is_empty(), "{name} makes nothing");
    let mut problems = Vec::new();
    for (cluster, object) in made {
        let reference = ObjectRef::of(&object, "").expect("a known kind");
        let theirs = json!({
            "apiVersion": object["apiVersion"], "kind": object["kind"],
            "metadata": {"name": reference.name.clone(), "namespace": object["metadata"]["namespace"]}, "spec": {"theirs": true},
        });
        let mut scene = Scene::new(name).await;
        scene.objects.make_before_write(cluster, theirs.clone());
        let outcome = scene.run(&Object::absent(), &to).await.1;
        let mut check = |is_right: bool, what: &str, outcome: &Outcome| {
            if !is_right {
                problems.push(format!("{name}: {cluster}: {reference}: {what}: {}", told(&outcome.diagnostics)));
            }
        };
        check(outcome.diagnostics.iter().any(|one| one.summary == "Already exists"), "the create takes it for its own", &outcome);
        check(scene.objects.live(cluster, &reference).as_ref() == Some(&theirs), "the create changes it", &outcome);
        let outcome = scene.run(&outcome.object, &to).await.1;
        check(outcome.diagnostics.iter().any(|one| one.summary == "Already exists"), "the next apply takes it for its own", &outcome);
        check(scene.objects.live(cluster, &reference).as_ref() == Some(&theirs), "the next apply changes it", &outcome);
        let outcome = scene.run(&outcome.object, &Value::Nil).await.1;
        check(!has_errors(&outcome.diagnostics), "the destroy fails", &outcome);
        check(scene.objects.live(cluster, &reference).as_ref() == Some(&theirs), "the destroy changes it", &outcome);
    }
    problems
}

#[tokio::test]
async fn what_others_make_at_the_same_time_is_left_alone() {
    let mut problems = Vec::new();
    for resource in super::all() {
        problems.extend(leaves_what_others_make(resource.name()).await);
    }
    assert!(problems.is_empty(), "{} problems\n{}", problems.len(), problems.join("\n"));
}

#[tokio::test]
async fn a_root_ca_gets_over_every_fault() {
    gets_over_every_fault("mesh_root_ca").await;
}

#[tokio::test]
async fn a_cluster_ca_gets_over_every_fault() {
    gets_over_every_fault("mesh_cluster_ca").await;
}

#[tokio::test]
async fn a_request_gets_over_every_fault() {
    gets_over_every_fault("mesh_cluster_ca_request").await;
}

#[tokio::test]
async fn a_cluster_gets_over_every_fault() {
    gets_over_every_fault("mesh_cluster").await;
}

#[tokio::test]
async fn a_gateway_gets_over_every_fault() {
    gets_over_every_fault("mesh_eastwest_gateway").await;
}

#[tokio::test]
async fn a_link_gets_over_every_fault() {
    gets_over_every_fault("mesh_link").await;
}

#[tokio::test]
async fn a_remote_secret_gets_over_every_fault() {
    gets_over_every_fault("mesh_remote_secret").await;
}

#[tokio::test]
async fn an_export_gets_over_every_fault() {
    gets_over_every_fault("mesh_service_export").await;
}

#[tokio::test]
async fn an_import_gets_over_every_fault() {
    gets_over_every_fault("mesh_service_import").await;
}

#[tokio::test]
async fn a_global_service_gets_over_every_fault() {
    gets_over_every_fault("mesh_global_service").await;
}
