//! The example `two-clusters` with the state that an earlier build has stored of it: `tests/contract/states`.

use std::fs;

use serde_json::{Value as Json, json};

use super::mirror::registry;
use crate::{
    fixture::source,
    workspace::{Cli, Workspace},
};

/// Accesses that nobody answers, in place of a reader's clusters: a context of each name.
pub(in crate::offline) fn kubeconfig(contexts: &[&str]) -> String {
    let named = contexts.iter().map(|name| json!({"name": name, "context": {"cluster": "nowhere", "user": "nobody"}}));
    let file = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": contexts[0],
        "contexts": named.collect::<Vec<_>>(),
        "clusters": [{"name": "nowhere", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "nobody", "user": {"token": "none"}}],
    });
    file.to_string()
}

/// A workspace with the example and the state. No cluster can be reached.
pub(crate) fn example_of_an_older_build(cli: &Cli, helm: &std::path::Path) -> Workspace {
    let workspace = Workspace::of_example(cli, "two-clusters");
    workspace.write("kubeconfig", &kubeconfig(&["nowhere"]));
    let access = json!({"config_path": workspace.path("kubeconfig")});
    let stored = stored();
    let values = |type_name: &str| stored.iter().find(|one| one["type"] == type_name).expect("stored")["attributes"]["values"].clone();
    let variables = json!({
        "clusters": {"us": access, "eu": access},
        "helm": {"binary": helm},
        "values": {"istiod": values("mesh_cluster"), "gateway": values("mesh_eastwest_gateway")},
    });
    workspace.write("terraform.tfvars.json", &variables.to_string());
    workspace.write("terraform.tfstate", &state(cli, &stored).to_string());
    workspace
}

/// The instances of the example, each with the key that its file's name ends in.
fn stored() -> Vec<Json> {
    let folder = source("tests/contract/states/v0.1");
    let files = fs::read_dir(folder).expect("the states").map(|entry| entry.expect("an entry").path());
    let of_example = files.filter(|path| path.to_string_lossy().contains(".example."));
    let read = |path: std::path::PathBuf| {
        let mut instance: Json = serde_json::from_str(&fs::read_to_string(&path).expect("a state")).expect("JSON");
        let key = path.file_stem().expect("a name").to_string_lossy().rsplit('.').next().expect("a key").to_owned();
        instance["key"] = key.into();
        instance
    };
    let found: Vec<_> = of_example.map(read).collect();
    assert_eq!(found.len(), 8, "the instances of the example");
    found
}

/// The state file with them.
fn state(cli: &Cli, stored: &[Json]) -> Json {
    let resource = |instance: &Json| {
        let key = instance["key"].as_str().expect("a key");
        let mut with = json!({
            "schema_version": instance["schema_version"],
            "attributes": instance["attributes"],
            "sensitive_attributes": [],
            "identity_schema_version": instance["identity_schema_version"],
            "identity": instance["identity"],
        });
        let is_one_of_many = ["us", "eu"].contains(&key);
        if is_one_of_many {
            with["index_key"] = key.into();
        }
        let name = if is_one_of_many { "this" } else { key };
        json!({
            "mode": "managed",
            "type": instance["type"],
            "name": name,
            "provider": format!("provider[\"{}/terraform-provider-mesh/mesh\"]", registry(cli)),
            "instances": [with],
        })
    };
    let mut resources: Vec<Json> = Vec::new();
    for instance in stored {
        let new = resource(instance);
        match resources.iter_mut().find(|found| found["type"] == new["type"] && found["name"] == new["name"]) {
            Some(found) => found["instances"].as_array_mut().expect("instances").push(new["instances"][0].clone()),
            None => resources.push(new),
        }
    }
    let addresses = |key: &str| {
        let gateway = stored.iter().find(|one| one["type"] == "mesh_eastwest_gateway" && one["key"] == key).expect("a gateway");
        gateway["attributes"]["addresses"].clone()
    };
    let of_strings = json!(["list", "string"]);
    json!({
        "version": 4,
        "terraform_version": "1.11.0",
        "serial": 1,
        "lineage": "5f3a9ec1-7d0f-4a51-8d3b-0b6c1f1e6a10",
        "outputs": {"gateways": {
            "value": {"us": addresses("us"), "eu": addresses("eu")},
            "type": ["object", {"us": of_strings, "eu": of_strings}],
        }},
        "resources": resources,
    })
}
