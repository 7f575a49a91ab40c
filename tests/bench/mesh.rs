//! A mesh of two clusters with Terraform: planned without a change, beside the listings of Helm's releases, and the exports of a gateway whose
//! address changes, with and without a link.

use std::{path::Path, time::Instant};

use mesh_lab::{ClusterName, Lab, client_manifest, echo_manifest, gateway_api, remove_gateway_api};

use crate::{
    access::{self, Access, Counted},
    figure::{Figure, median, milliseconds},
    workspace::{REQUIREMENT, Workspace},
};

const RUNS: usize = 7;

/// How many exports the changed address is of.
const EXPORTS: usize = 100;

/// The most milliseconds, and requests, that a plan of the mesh may take.
const PLAN: (f64, f64) = (350.0, 20.0);

/// How many times as long as the listings of Helm's releases it may take: these were 90 ms when a plan's 350 were set.
const RATIO: f64 = 3.9;

/// The resources of the mesh.
const RESOURCES: usize = 8;

/// Two clusters that nothing else is in, and what is needed to make a mesh of them.
struct Scene<'a> {
    lab: Lab,
    terraform: &'a Path,
}

/// Whether exports have the gateway's address, or there is a link that has it.
#[derive(Clone, Copy)]
enum By {
    Address,
    Link,
}

pub(crate) fn measure() -> Vec<Figure> {
    let Ok(terraform) = which::which("terraform") else {
        println!("There is no terraform on the PATH: no mesh is measured.");
        return Vec::new();
    };
    println!("measuring a mesh");
    let scene = Scene { lab: Lab::attach().expect("the lab"), terraform: &terraform };
    scene.lab.clean().expect("clean clusters");
    let apply = |key, manifest: &str| scene.lab.cluster(key).and_then(|cluster| cluster.apply(manifest)).expect("applied");
    apply("eu", &echo_manifest(ClusterName::Eu));
    apply("us", client_manifest());
    // For the proxies.
    let figures = std::thread::scope(|scope| scope.spawn(|| scene.compare()).join().expect("figures"));
    scene.lab.clean().expect("clean clusters");
    figures
}

impl Scene<'_> {
    fn compare(&self) -> Vec<Figure> {
        let (direct, counted) = (access::direct(&self.lab), Counted::start(&self.lab));
        let workspace = Workspace::new(self.terraform, &configuration(&self.lab, &direct));
        workspace.run(&["apply", "-auto-approve"]);
        let bare = Workspace::new(self.terraform, &format!("resource \"terraform_data\" \"it\" {{\n  count = {RESOURCES}\n}}\n"));
        bare.run(&["apply", "-auto-approve"]);
        let plan = &["plan", "-detailed-exitcode"][..];
        let rounds: Vec<_> =
            (0..RUNS).map(|_| [workspace.run(plan).milliseconds, bare.run(plan).milliseconds, self.helm_lists()]).collect();
        let of = |nth: usize| median(rounds.iter().map(|round| round[nth]));
        workspace.configure(&configuration(&self.lab, &counted.access()));
        let of_plan = counted.requests(|| _ = workspace.run(plan));

        self.lab.cluster("us").and_then(|us| us.apply(&gateway_api().expect("definitions"))).expect("the Gateway API");
        let [by_address, by_link] = [By::Address, By::Link].map(|by| {
            let readdress = |address: &str, access: &Access| {
                workspace.configure(&format!("{}{}", configuration(&self.lab, access), exports(by, address)));
                workspace.run(&["apply", "-auto-approve"]).milliseconds
            };
            readdress("198.51.100.9", &direct);
            let took = (10..13).map(|last| readdress(&format!("198.51.100.{last}"), &direct));
            let took = median(took.collect::<Vec<_>>());
            (took, counted.requests(|| _ = readdress("198.51.100.20", &counted.access())))
        });
        workspace.configure(&configuration(&self.lab, &direct));
        workspace.run(&["destroy", "-auto-approve"]);
        remove_gateway_api(&self.lab.cluster("us").expect("us")).expect("removed");

        let figure = |what: &str, unit, target, runs, value| Figure { what: what.to_owned(), unit, target, runs, values: vec![value] };
        vec![
            figure("mesh of two clusters: plan without changes", "ms", Some(PLAN.0), RUNS, of(0)),
            figure("… plan of as many terraform_data", "ms", None, RUNS, of(1)),
            figure("… helm list in both clusters", "ms", None, RUNS, of(2)),
            figure("… ratio to that", "×", Some(RATIO), RUNS, median(rounds.iter().map(|round| round[0] / round[2]))),
            figure("… requests", "", Some(PLAN.1), 1, of_plan),
            figure(&format!("{EXPORTS} exports: a gateway's new address"), "ms", None, 3, by_address.0),
            figure("… requests", "", None, 1, by_address.1),
            figure("… by a link", "ms", None, 3, by_link.0),
            figure("… requests", "", None, 1, by_link.1),
        ]
    }

    /// How long Helm takes to list the releases of both clusters, one after the other.
    fn helm_lists(&self) -> f64 {
        let begin = Instant::now();
        for key in ["us", "eu"] {
            self.lab.cluster(key).and_then(|cluster| cluster.helm(&["list", "-A", "-q"])).expect("a list");
        }
        milliseconds(begin.elapsed())
    }
}

/// A mesh of two clusters with an exported Service.
pub(crate) fn configuration(lab: &Lab, [us, eu]: &Access) -> String {
    let (helm, charts, values) = (lab.binaries().helm, lab.charts().http, lab.layout().values());
    format!(
        r#"
        {REQUIREMENT}
        provider "mesh" {{
          clusters = {{ us = {{ {us} }}, eu = {{ {eu} }} }}
          helm     = {{ repository = "{charts}", binary = "{}" }}
        }}
        locals {{
          keys = toset(["us", "eu"])
        }}
        resource "mesh_root_ca" "it" {{
          cluster = "us"
        }}
        resource "mesh_cluster_ca" "it" {{
          for_each = local.keys
          cluster  = each.key
          root_ca  = mesh_root_ca.it
        }}
        resource "mesh_cluster" "it" {{
          for_each     = local.keys
          cluster      = each.key
          ca           = mesh_cluster_ca.it[each.key]
          mesh_id      = "bench"
          trust_domain = "bench.local"
          network      = "${{each.key}}-net"
          values       = [file("{values}/istiod.yaml")]
        }}
        resource "mesh_eastwest_gateway" "it" {{
          for_each = local.keys
          cluster  = each.key
          network  = mesh_cluster.it[each.key].network
          values   = [file("{values}/gateway.yaml")]
        }}
        resource "mesh_service_export" "api" {{
          host      = "api.bench.mesh.local"
          gateway   = mesh_eastwest_gateway.it["eu"]
          namespace = "echo"
          service   = "echo"
          importers = ["us"]
        }}
        "#,
        helm.display(),
        values = values.display(),
    )
}

/// Exports of a gateway with this address.
fn exports(by: By, address: &str) -> String {
    let (link, of_gateway, of_export) = match by {
        By::Address => ("", format!(", addresses = [\"{address}\"]"), ""),
        By::Link => (
            "resource \"mesh_link\" \"it\" {\n  cluster = mesh_cluster.it[\"us\"].cluster\n  network = \"eu-net\"\n  addresses = [\"ADDRESS\"]\n}\n",
            String::new(),
            "  network = mesh_link.it.network\n",
        ),
    };
    let gateway = format!("{{ cluster = \"eu\", namespace = \"istio-system\", name = mesh_eastwest_gateway.it[\"eu\"].name{of_gateway} }}");
    format!(
        "{}resource \"mesh_service_export\" \"it\" {{\n  count = {EXPORTS}\n  host = \"svc-${{count.index}}.bench.mesh.local\"\n  gateway = \
         {gateway}\n{of_export}  namespace = \"echo\"\n  service = \"echo\"\n  importers = [\"us\"]\n}}\n",
        link.replace("ADDRESS", address)
    )
}
