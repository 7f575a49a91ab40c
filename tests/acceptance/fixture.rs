//! What the tests start from: the lab, its clusters, and the example with the lab's variables.

use std::{
    ops::Deref,
    path::{Path, PathBuf},
    time::Instant,
};

use mesh_lab::{Cluster, ClusterName, Lab, client_manifest, echo_manifest};
use serde_json::{Value as Json, json};

use crate::workspace::{Cli, Workspace};

/// The beginning of every configuration that is no example.
pub(crate) const REQUIREMENT: &str =
    "terraform {\n  required_providers {\n    mesh = { source = \"terraform-provider-mesh/mesh\" }\n  }\n}\n";

/// Returns the lab that is up.
pub(crate) fn lab() -> Lab {
    Lab::attach().expect("a lab; `make lab-up` makes one")
}

/// The lab, for a test whose duration is printed when it ends.
pub(crate) struct Timed {
    lab: Lab,
    begin: Instant,
}

impl Timed {
    pub(crate) fn start() -> Self {
        Self { lab: lab(), begin: Instant::now() }
    }
}

impl Deref for Timed {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        &self.lab
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        print!("{:.0} s ", self.begin.elapsed().as_secs_f64());
    }
}

/// Returns the lab with both clusters bare, except for the workloads of users who have no mesh yet: `echo` in the EU, `client` in the US.
pub(crate) fn bare_clusters() -> Timed {
    crate::on_a_mesh::forget();
    let lab = Timed::start();
    lab.clean().expect("clean clusters");
    let (us, eu) = both(&lab);
    eu.apply(&echo_manifest(ClusterName::Eu)).expect("echo");
    us.apply(client_manifest()).expect("client");
    for cluster in [&us, &eu] {
        // Kubernetes adds its own root to a new namespace in its own time; an inventory must not be taken before.
        let root = ["wait", "-n", "echo", "--for=create", "configmap/kube-root-ca.crt", "--timeout=120s"];
        cluster.kubectl(&root).expect("the namespace is complete");
    }
    lab
}

pub(crate) fn both(lab: &Lab) -> (Cluster, Cluster) {
    (lab.cluster("us").expect("us"), lab.cluster("eu").expect("eu"))
}

/// Returns the path of a file of this repository.
pub(crate) fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Reads a file of `examples/`.
pub(crate) fn example_file(path: &str) -> String {
    let path = source("examples").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the variables of the examples, for the lab.
pub(crate) fn variables(lab: &Lab) -> Json {
    let (us, eu) = both(lab);
    json!({
        "clusters": {"us": {"config_path": us.kubeconfig_path()}, "eu": {"config_path": eu.kubeconfig_path()}},
        "helm": {"repository": lab.charts().http, "version": lab.charts().version, "binary": lab.binaries().helm},
        "values": {"istiod": [mesh_lab::lab_values()], "gateway": [mesh_lab::gateway_values()]},
    })
}

/// Returns a workspace with the example `two-clusters`, for the lab.
pub(crate) fn example(lab: &Lab, cli: &Cli) -> Workspace {
    let workspace = Workspace::of_example(cli, "two-clusters");
    workspace.write("terraform.tfvars.json", &variables(lab).to_string());
    workspace
}

/// Returns a workspace with only one cluster of the example: its root, its CA and its control plane.
pub(crate) fn example_of_one_cluster(lab: &Lab, cli: &Cli, cluster: &str, helm: Option<Json>) -> Workspace {
    let workspace = Workspace::of_example(cli, "two-clusters");
    workspace.cut("resource \"mesh_eastwest_gateway\"");
    workspace.edit("cluster = \"us\"", &format!("cluster = \"{cluster}\""));
    let mut variables = variables(lab);
    variables["clusters"].as_object_mut().expect("clusters").retain(|key, _| key == cluster);
    if let Some(helm) = helm {
        variables["helm"] = helm;
    }
    workspace.write("terraform.tfvars.json", &variables.to_string());
    workspace
}

/// Returns a configuration of the provider for the lab's clusters, with other attributes if need be.
pub(crate) fn provider(lab: &Lab, attributes: &str) -> String {
    let (us, eu) = both(lab);
    format!(
        "{REQUIREMENT}provider \"mesh\" {{\n  clusters = {{\n    us = {{ config_path = \"{}\" }}\n    eu = {{ config_path = \"{}\" }}\n  }}\n  \
         {attributes}\n}}\n",
        us.kubeconfig_path().display(),
        eu.kubeconfig_path().display()
    )
}

/// Returns how many resources a configuration makes: one for each block, two where it is for each of the two clusters.
pub(crate) fn resources_of(configuration: &str) -> usize {
    let blocks = configuration.split("\nresource \"").skip(1);
    blocks.map(|block| block.split("\n}").next().unwrap_or(block)).map(|block| if block.contains("for_each") { 2 } else { 1 }).sum()
}

#[test]
fn resources_are_counted_with_their_instances() {
    assert_eq!(resources_of("\nresource \"a\" \"b\" {\n}\n\nresource \"c\" \"d\" {\n  for_each = var.clusters\n}\n"), 3);
}
