//! Exports by the hundred with Terraform: applied, planned without a change and destroyed, beside the same objects written, listed and deleted by
//! kube's client without the provider.

use std::{fs, path::Path, time::Instant};

use futures::{StreamExt as _, stream};
use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams},
};
use mesh_lab::Lab;
use serde_json::json;

use crate::{
    access::{self, Access, Counted},
    cluster,
    figure::{Figure, median, milliseconds},
    growth::Size,
    workspace::{REQUIREMENT, Workspace},
};

/// How many exports, how often that many are measured, and how many times as long as the floor applies and destroys may take.
const SIZES: [(usize, usize, f64, f64); 4] = [(10, 3, 1.3, 1.5), (100, 3, 1.3, 1.5), (1000, 1, 1.5, 2.0), (3000, 1, 1.5, 2.0)];

/// Requests that the floor has in flight.
const AT_ONCE: usize = 20;

/// The most requests that a plan of 100 exports may take, and the most that all of its command may.
const PLAN: (f64, f64) = (25.0, 600.0);

/// The most memory that the provider may hold while a plan refreshes 1,000 exports, in MiB.
const MEMORY: f64 = 40.0;

/// The most milliseconds that it may add to such a plan.
const SHARE: f64 = 2000.0;

/// The kinds of an export's objects, by cluster: the exporter is the EU.
const KINDS: [(&str, &str); 4] = [("eu", "ServiceEntry"), ("eu", "Gateway"), ("us", "ServiceEntry"), ("us", "DestinationRule")];

/// Two clusters with Istio's definitions, and a namespace of the benchmark's own in each, of the same name.
struct Scene {
    lab: Lab,
    us: Client,
    eu: Client,
    namespace: String,
}

/// Stops if one of the numbers isn't one of [`SIZES`], before anything is measured.
pub(crate) fn check(sizes: &[usize]) {
    for size in sizes {
        assert!(SIZES.iter().any(|known| known.0 == *size), "EXPORTS must be of 10, 100, 1000 and 3000, got {size}");
    }
}

/// Measures as many exports at a time as `sizes` has, each one of [`SIZES`].
pub(crate) async fn measure(sizes: &[usize]) -> (Vec<Figure>, Vec<Size>) {
    let Ok(terraform) = which::which("terraform") else {
        println!("There is no terraform on the PATH: no exports are measured.");
        return Default::default();
    };
    let scene = Scene::new().await;
    let (mut figures, mut growth) = (Vec::new(), Vec::new());
    for (count, runs, of_apply, of_destroy) in SIZES.into_iter().filter(|size| sizes.contains(&size.0)) {
        println!("measuring {count} exports");
        let (of_size, size) = scene.compare(&terraform, count, runs, [of_apply, of_destroy]).await;
        figures.extend(of_size);
        growth.push(size);
    }
    scene.remove().await;
    (figures, growth)
}

/// What one round took, in milliseconds: apply, plan without changes, destroy.
struct Round {
    provider: [f64; 3],
    /// The same objects: written, listed, deleted.
    floor: [f64; 3],
    /// The same works of as many `terraform_data`, which have nobody to ask: with the exports' arguments as input, but for the plan.
    bare: [f64; 3],
    /// The most memory that the provider held in the plan, in MiB.
    memory: f64,
}

impl Scene {
    async fn new() -> Self {
        let lab = Lab::attach().expect("the lab");
        let definitions = lab.charts().directory.join("base/files/crd-all.gen.yaml");
        let definitions = fs::read_to_string(definitions).expect("Istio's definitions");
        for key in ["us", "eu"] {
            lab.cluster(key).expect("a cluster").apply(&definitions).expect("applied");
        }
        let (us, eu) = (client(&lab, "us").await, client(&lab, "eu").await);
        let namespace = cluster::make_namespace(&eu).await;
        let manifests = |rest: &str| format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}}}\n{rest}");
        let service = format!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: echo, namespace: {namespace}}}\nspec: {{selector: {{app: echo}}, ports: [{{name: \
             http, port: 80}}]}}\n"
        );
        lab.cluster("us").expect("us").apply(&manifests("")).expect("applied");
        lab.cluster("eu").expect("eu").apply(&manifests(&service)).expect("applied");
        Self { lab, us, eu, namespace }
    }

    async fn remove(self) {
        cluster::remove_namespace(&self.us, &self.namespace).await;
        cluster::remove_namespace(&self.eu, &self.namespace).await;
    }

    async fn compare(&self, terraform: &Path, count: usize, runs: usize, limits: [f64; 2]) -> (Vec<Figure>, Size) {
        let mut rounds = Vec::new();
        let workspace = Workspace::new(terraform, &self.configuration(&access::direct(&self.lab), count));
        let bare = Workspace::new(terraform, &format!("resource \"terraform_data\" \"it\" {{\n  count = {count}\n}}\n"));
        let input = format!("  count = {count}\n  input = {{{}}}\n", self.arguments());
        let laden = Workspace::new(terraform, &format!("resource \"terraform_data\" \"it\" {{\n{input}}}\n"));
        bare.run(&["apply", "-auto-approve"]);
        for _ in 0..runs {
            let apply = workspace.run(&["apply", "-auto-approve"]).milliseconds;
            let plan = workspace.run(&["plan", "-detailed-exitcode"]);
            let bare_plan = bare.run(&["plan", "-detailed-exitcode"]).milliseconds;
            let bare = ["apply", "destroy"].map(|work| laden.run(&[work, "-auto-approve"]).milliseconds);
            let (listed, objects) = self.list(count).await;
            let destroy = workspace.run(&["destroy", "-auto-approve"]).milliseconds;
            let written = self.each(&objects, Work::Write).await;
            let deleted = self.each(&objects, Work::Delete).await;
            let provider = [apply, plan.milliseconds, destroy];
            rounds.push(Round { provider, floor: [written, listed, deleted], bare: [bare[0], bare_plan, bare[1]], memory: plan.memory });
        }
        let requests = std::thread::scope(|scope| scope.spawn(|| self.count(terraform, count)).join().expect("the counts"));
        let of = |value: &dyn Fn(&Round) -> f64| median(rounds.iter().map(value));
        let works = [
            [of(&|round| round.provider[0]), of(&|round| round.floor[0])],
            [of(&|round| round.provider[1]), of(&|round| round.bare[1])],
            [of(&|round| round.provider[2]), of(&|round| round.floor[2])],
        ];
        (figures(count, &rounds, limits, requests), Size { exports: count, works })
    }

    /// Returns how many requests an apply, a plan without changes and a destroy take, counted by a proxy before each API server.
    fn count(&self, terraform: &Path, count: usize) -> [f64; 3] {
        let counted = Counted::start(&self.lab);
        let workspace = Workspace::new(terraform, &self.configuration(&counted.access(), count));
        let works = [&["apply", "-auto-approve"][..], &["plan", "-detailed-exitcode"], &["destroy", "-auto-approve"]];
        works.map(|arguments| counted.requests(|| _ = workspace.run(arguments)))
    }

    fn configuration(&self, [us, eu]: &Access, count: usize) -> String {
        let arguments = self.arguments();
        format!(
            r#"
            {REQUIREMENT}
            provider "mesh" {{
              clusters = {{ us = {{ {us} }}, eu = {{ {eu} }} }}
            }}
            resource "mesh_service_export" "it" {{
              count = {count}
              {arguments}
            }}
            "#
        )
    }

    /// What an export is configured with.
    fn arguments(&self) -> String {
        let namespace = &self.namespace;
        format!(
            r#"
              host             = "svc-${{count.index}}.bench.mesh.local"
              gateway          = {{ cluster = "eu", namespace = "{namespace}", name = "gateway", addresses = ["198.51.100.9"] }}
              namespace        = "{namespace}"
              service          = "echo"
              service_accounts = ["echo"]
              trust_domain     = "bench.local"
              importers        = ["us"]
            "#
        )
    }

    fn client(&self, cluster: &str) -> &Client {
        if cluster == "us" { &self.us } else { &self.eu }
    }

    /// Lists the objects of all exports; how long that took, and what they are, as they would be written.
    async fn list(&self, count: usize) -> (f64, Vec<(&'static str, ApiResource, DynamicObject)>) {
        let begin = Instant::now();
        let lists = KINDS.map(|(cluster, kind)| async move {
            let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("networking.istio.io", "v1", kind));
            let api = Api::<DynamicObject>::namespaced_with(self.client(cluster).clone(), &self.namespace, &resource);
            let found = api.list(&ListParams::default()).await.expect("a list").items;
            assert_eq!(found.len(), count, "{kind} of {cluster}");
            found.into_iter().map(move |object| (cluster, resource.clone(), object)).collect::<Vec<_>>()
        });
        let mut objects = futures::future::join_all(lists).await.concat();
        let took = milliseconds(begin.elapsed());
        for (_, resource, object) in &mut objects {
            object.types = Some(kube::core::TypeMeta { api_version: resource.api_version.clone(), kind: resource.kind.clone() });
            let metadata = &object.metadata;
            object.metadata = kube::api::ObjectMeta {
                name: metadata.name.clone(),
                namespace: metadata.namespace.clone(),
                labels: metadata.labels.clone(),
                annotations: metadata.annotations.clone(),
                ..kube::api::ObjectMeta::default()
            };
        }
        (took, objects)
    }

    /// Writes or deletes all objects, with a request each; how long that took.
    async fn each(&self, objects: &[(&'static str, ApiResource, DynamicObject)], work: Work) -> f64 {
        let begin = Instant::now();
        let requests = objects.iter().map(|(cluster, resource, object)| async move {
            let api = Api::<DynamicObject>::namespaced_with(self.client(cluster).clone(), &self.namespace, resource);
            let name = object.metadata.name.as_deref().expect("a name");
            match work {
                Work::Write => drop(api.patch(name, &PatchParams::apply("bench"), &Patch::Apply(&json!(object))).await.expect("written")),
                Work::Delete => drop(api.delete(name, &DeleteParams::default()).await.expect("deleted")),
            }
        });
        stream::iter(requests).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
        milliseconds(begin.elapsed())
    }
}

#[derive(Clone, Copy)]
enum Work {
    Write,
    Delete,
}

async fn client(lab: &Lab, key: &str) -> Client {
    cluster::client(&lab.cluster(key).expect("a cluster").kubeconfig_path()).await
}

fn figures(count: usize, rounds: &[Round], [of_apply, of_destroy]: [f64; 2], requests: [f64; 3]) -> Vec<Figure> {
    let figure = |what: &str, unit, target, value: &dyn Fn(&Round) -> f64| Figure {
        what: what.to_owned(),
        unit,
        target,
        runs: rounds.len(),
        values: vec![median(rounds.iter().map(value))],
    };
    let requests = |nth: usize, target| figure("… requests", "", target, &|_| requests[nth]);
    let at = |size: usize, target| (count == size).then_some(target);
    vec![
        figure(&format!("{count} exports: apply"), "ms", None, &|round| round.provider[0]),
        figure("… the same objects written by kube's client", "ms", None, &|round| round.floor[0]),
        figure("… ratio", "×", Some(of_apply), &|round| round.provider[0] / round.floor[0]),
        figure("… apply of as many terraform_data", "ms", None, &|round| round.bare[0]),
        requests(0, None),
        figure(&format!("{count} exports: plan without changes"), "ms", at(100, PLAN.1), &|round| round.provider[1]),
        figure("… the same objects listed by kube's client", "ms", None, &|round| round.floor[1]),
        figure("… plan of as many terraform_data", "ms", None, &|round| round.bare[1]),
        figure("… ratio to that", "×", at(1000, 1.5), &|round| round.provider[1] / round.bare[1]),
        figure("… above that", "ms", at(1000, SHARE), &|round| round.provider[1] - round.bare[1]),
        requests(1, at(100, PLAN.0)),
        figure("… most memory of the provider", "MiB", at(1000, MEMORY), &|round| round.memory),
        figure(&format!("{count} exports: destroy"), "ms", None, &|round| round.provider[2]),
        figure("… the same objects deleted by kube's client", "ms", None, &|round| round.floor[2]),
        figure("… ratio", "×", Some(of_destroy), &|round| round.provider[2] / round.floor[2]),
        figure("… destroy of as many terraform_data", "ms", None, &|round| round.bare[2]),
        requests(2, None),
    ]
}
