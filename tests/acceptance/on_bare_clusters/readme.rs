//! README's first use as printed: the commands, the answer "yes", and the call. Only the charts and the images are the lab's.

use std::fs;

use mesh_lab::{Cluster, Lab};
use serde_json::{Value as Json, json};

use crate::{
    fixture::{bare_clusters, both, variables},
    offline::installed::readme::{Checkout, FirstUse},
    traffic::repeat_until,
    workspace::clis,
};

/// A kubeconfig with the lab's clusters under the names that README.md has for a reader's.
fn kubeconfig(lab: &Lab) -> String {
    let (us, eu) = both(lab);
    let read = |cluster: &Cluster| -> Json {
        serde_json::from_str(&fs::read_to_string(cluster.kubeconfig_path()).expect("a kubeconfig")).expect("JSON")
    };
    let mut all = json!({"apiVersion": "v1", "kind": "Config", "clusters": [], "users": [], "contexts": []});
    for (name, cluster) in [("prod-us", &us), ("prod-eu", &eu)] {
        let of_one = read(cluster);
        for part in ["clusters", "users", "contexts"] {
            let mut entry = of_one[part][0].clone();
            entry["name"] = name.into();
            if part == "contexts" {
                entry["context"] = json!({"cluster": name, "user": name});
            }
            all[part].as_array_mut().expect("a list").push(entry);
        }
    }
    all.to_string()
}

#[test]
#[ignore = "takes over two minutes"]
fn the_first_use_makes_a_mesh_as_printed() {
    let lab = bare_clusters();
    let (us, eu) = both(&lab);
    let readme = FirstUse::read();
    let cli = clis(&lab).pop().expect("a CLI");
    let programs = lab.binaries();
    let checkout = Checkout::new(&cli, &[&programs.helm, &programs.kubectl], &kubeconfig(&lab));
    let of_lab = variables(&lab);
    let (clusters, _) = readme.variables.split_once("helm = ").expect("the charts' version, after the clusters");
    fs::write(checkout.example("terraform.tfvars"), clusters).expect("written");
    let rest = json!({"helm": of_lab["helm"], "values": of_lab["values"]});
    fs::write(checkout.example("lab.auto.tfvars.json"), rest.to_string()).expect("written");

    let (is_done, printed) = checkout.run(&format!("{}\n{}", readme.build, readme.apply), "yes");
    assert!(is_done && printed.contains("Apply complete! Resources: 8 added, 0 changed, 0 destroyed."), "{printed}");
    for (cluster, deployment) in [(&us, "client"), (&eu, "echo")] {
        cluster.wait_ready("echo", deployment).expect("restarted with a sidecar");
    }
    let call = || checkout.run(&readme.call, "").1;
    repeat_until("README's call", call, |answer| answer.contains("Cluster=eu"));

    // As README says of a destroy: the root is guarded.
    let main = fs::read_to_string(checkout.example("main.tf")).expect("the example");
    fs::write(checkout.example("main.tf"), main.replace("prevent_destroy = true", "prevent_destroy = false")).expect("written");
    let destroy = "export TF_CLI_CONFIG_FILE=$PWD/mesh.tfrc; cd examples/two-clusters; terraform destroy";
    let (is_done, printed) = checkout.run(destroy, "yes");
    assert!(is_done && printed.contains("Destroy complete! Resources: 8 destroyed."), "{printed}");
}
