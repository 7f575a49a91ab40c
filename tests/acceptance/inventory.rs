//! What is there: the objects of a cluster that a mesh could leave behind, and the resource instances of a state with their import IDs.

use std::collections::BTreeMap;

use framework::{Datum, Dynamic, Provider as _, Value};
use mesh_lab::Cluster;
use serde_json::Value as Json;
use terraform_provider_mesh::provider::Mesh;

use crate::workspace::Workspace;

/// Lists everything of a cluster that a mesh could leave behind: each object with its namespace, and the namespaces with their labels.
pub(crate) fn objects_of(cluster: &Cluster) -> Vec<String> {
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

/// Asserts that the clusters have what they had: names what has come since (`+`) and what is gone (`-`).
pub(crate) fn assert_unchanged(clusters: &[&Cluster], before: &[Vec<String>], what: &str) {
    for (cluster, before) in clusters.iter().zip(before) {
        let after = objects_of(cluster);
        let come = after.iter().filter(|object| !before.contains(object)).map(|object| format!("+ {object}"));
        let gone = before.iter().filter(|object| !after.contains(object)).map(|object| format!("- {object}"));
        let changed: Vec<_> = come.chain(gone).collect();
        assert!(changed.is_empty(), "{what} left cluster {} changed:\n{}", cluster.name(), changed.join("\n"));
    }
}

/// An instance of a resource in a state.
pub(crate) struct Instance {
    pub(crate) address: String,
    pub(crate) type_name: String,
    /// The ID by which an import finds it.
    pub(crate) import_id: String,
    /// The attributes of its identity with their values.
    pub(crate) identity: BTreeMap<String, String>,
    /// All its attributes.
    pub(crate) values: Json,
}

/// Lists the instances of a workspace's state. Identity and import ID are those that the provider's schema makes of the attributes.
pub(crate) fn instances_of(workspace: &Workspace) -> Vec<Instance> {
    let resources = Mesh.resources();
    let instance = |stored: Json| {
        let type_name = stored["type"].as_str().expect("a type").to_owned();
        let resource = resources.iter().find(|resource| resource.name() == type_name).expect("a resource of the provider");
        let schema = resource.identity().expect("an identity");
        let identity = schema.of(&to_dynamic(&stored["values"])).expect("a known identity");
        let Value::Value(Datum::Map(parts)) = &identity else { panic!("{type_name} has the identity {identity:?}") };
        let text = |part: &Dynamic| match part {
            Value::Value(Datum::String(text)) => text.clone(),
            part => panic!("{type_name} has {part:?} in its identity"),
        };
        Instance {
            address: stored["address"].as_str().expect("an address").to_owned(),
            import_id: schema.import_name(&identity).expect("an import ID"),
            identity: parts.iter().map(|(name, part)| (name.clone(), text(part))).collect(),
            values: stored["values"].clone(),
            type_name,
        }
    };
    workspace.resources().into_iter().map(instance).collect()
}

fn to_dynamic(json: &Json) -> Dynamic {
    match json {
        Json::String(text) => Value::Value(Datum::String(text.clone())),
        Json::Object(members) => {
            Value::Value(Datum::Map(members.iter().map(|(name, member)| (name.clone(), to_dynamic(member))).collect()))
        }
        // No identity holds anything else.
        _ => Value::Null,
    }
}
