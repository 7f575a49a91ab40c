//! The example `three-clouds` and its module `managed-clusters`, with stand-ins for what makes the clusters: these have the outputs of the
//! clouds' modules, unknown in the first plan, and sensitive where those are.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value as Json;

use crate::{
    fixture::{REQUIREMENT, lab},
    workspace::{Cli, Workspace, clis, text, unwrapped},
};

/// Attributes of each cloud's module with their values, which of them are sensitive, and one that has nothing to do with access.
const EKS: &str = r#"{ cluster_name = "prod-us", cluster_endpoint = "https://127.0.0.1:1", cluster_certificate_authority_data = "CA", cluster_arn = "arn:aws:eks:us-east-1:111122223333:cluster/prod-us", cluster_addons = { coredns = { most_recent = true } } }"#;
const GKE: &str = r#"{ name = "prod-eu", location = "europe-west1", endpoint = "127.0.0.1:2", ca_certificate = "CA", zones = ["a", "b"] }"#;
const AKS: &str = r#"{ kube_config = [{ host = "https://127.0.0.1:3", cluster_ca_certificate = "CA", client_certificate = "", client_key = "", username = "u", password = "" }] }"#;

/// A module whose outputs are attributes of something that it makes: unknown until it is made.
fn stand_in(values: &str, outputs: &[(&str, bool)], ca: &str) -> String {
    let mut module =
        format!("resource \"terraform_data\" \"cluster\" {{\n  input = {}\n}}\n", values.replace("\"CA\"", &format!("\"{ca}\"")));
    for (name, is_sensitive) in outputs {
        module.push_str(&format!(
            "output \"{name}\" {{\n  sensitive = {is_sensitive}\n  value     = terraform_data.cluster.output.{name}\n}}\n"
        ));
    }
    module
}

/// The example with stand-ins in place of its clouds.
fn example(cli: &Cli, helm: &str) -> Workspace {
    let workspace = Workspace::of_example(cli, "three-clouds");
    for module in ["mesh", "managed-clusters"] {
        workspace.add_module(module);
        workspace.edit(&format!("\"../modules/{module}\""), &format!("\"./{module}\""));
    }
    let key = rcgen::KeyPair::generate().expect("a key");
    let ca = rcgen::CertificateParams::default().self_signed(&key).expect("a certificate");
    let ca = STANDARD.encode(ca.pem());
    let mut clouds = REQUIREMENT.to_owned();
    for (name, values, outputs) in [
        (
            "eks",
            EKS,
            &[
                ("cluster_name", false),
                ("cluster_endpoint", false),
                ("cluster_certificate_authority_data", false),
                ("cluster_arn", false),
                ("cluster_addons", false),
            ][..],
        ),
        ("gke", GKE, &[("name", false), ("location", false), ("endpoint", true), ("ca_certificate", true), ("zones", false)][..]),
        ("aks", AKS, &[("kube_config", true)][..]),
    ] {
        fs::create_dir(workspace.path(name)).expect("a folder");
        workspace.write(&format!("{name}/main.tf"), &stand_in(values, outputs, &ca));
        clouds.push_str(&format!("module \"{name}\" {{\n  source = \"./{name}\"\n}}\n"));
    }
    workspace.write("clouds.tf", &clouds);
    workspace.edit("azurerm_kubernetes_cluster.ap.kube_config[0]", "module.aks.kube_config[0]");
    let charts = workspace.path("charts").display().to_string();
    workspace.edit("version = \"1.31.0\"", &format!("version = \"1.31.0\", binary = \"{helm}\", repository = \"{charts}\""));
    workspace.succeed(&["get"]);
    workspace
}

fn shown(workspace: &Workspace, plan: &str) -> Json {
    serde_json::from_str(&workspace.succeed(&["show", "-json", plan])).expect("JSON")
}

/// What the plan sets on each gateway's Service.
fn annotations(plan: &Json) -> BTreeMap<String, Json> {
    let modules = plan["planned_values"]["root_module"]["child_modules"].as_array().expect("modules");
    let resources = modules.iter().flat_map(|module| module["resources"].as_array().into_iter().flatten());
    resources
        .filter(|resource| resource["type"] == "mesh_eastwest_gateway")
        .map(|resource| (resource["index"].as_str().expect("a key").to_owned(), resource["values"]["service_annotations"].clone()))
        .collect()
}

#[test]
fn clusters_of_three_clouds_become_a_mesh_in_the_apply_that_makes_them() {
    let lab = lab();
    for cli in clis(&lab) {
        let workspace = example(&cli, &lab.binaries().helm.display().to_string());
        let first = workspace.succeed(&["plan", "-no-color", "-out=first"]);
        // A root, and for each cluster its stand-in, its CA, its control plane and its gateway; and an export.
        assert!(first.contains("Plan: 14 to add, 0 to change"), "{}: {first}", cli.name);

        workspace.succeed(&["apply", "-auto-approve", "-no-color", "-target=module.eks", "-target=module.gke", "-target=module.aks"]);
        workspace.succeed(&["plan", "-no-color", "-out=second"]);
        let set = annotations(&shown(&workspace, "second"));
        assert_eq!(set["us"]["service.beta.kubernetes.io/aws-load-balancer-type"], "external", "{}: {set:?}", cli.name);
        assert_eq!(
            set["us"]["service.beta.kubernetes.io/aws-load-balancer-attributes"], "load_balancing.cross_zone.enabled=true",
            "{}: the options are those of the cluster",
            cli.name
        );
        assert_eq!(set["eu"]["cloud.google.com/l4-rbs"], "enabled", "{}: {set:?}", cli.name);
        assert!(set.contains_key("ap"), "{}: {set:?}", cli.name);
    }
}

/// Programs with the names of the clouds' own, which write down what they are asked and print a token.
fn plugins(workspace: &Workspace) {
    for name in ["aws", "gke-gcloud-auth-plugin", "kubelogin"] {
        let (program, trace) = (workspace.path(name), workspace.path(&format!("{name}.trace")));
        let script = format!(
            "#!/bin/sh\necho \"$@\" >> {trace}\necho \"$KUBERNETES_EXEC_INFO\" >> {trace}\necho '{{\"apiVersion\": \"client.authentication.k8s.io/v1beta1\", \"kind\": \
             \"ExecCredential\", \"status\": {{\"token\": \"t0ken\"}}}}'\n",
            trace = trace.display()
        );
        fs::write(&program, script).expect("written");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).expect("a program");
    }
}

#[test]
fn each_clouds_own_program_is_asked_for_credentials() {
    let lab = lab();
    for cli in clis(&lab) {
        let workspace = example(&cli, &lab.binaries().helm.display().to_string());
        workspace.succeed(&["apply", "-auto-approve", "-no-color", "-target=module.eks", "-target=module.gke", "-target=module.aks"]);
        plugins(&workspace);
        let mut path = vec![workspace.path("")];
        path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
        // Nothing listens where the clusters are said to be.
        workspace
            .write("check.tf", "data \"mesh_precheck\" \"all\" {}\noutput \"summary\" {\n  value = data.mesh_precheck.all.summary\n}\n");
        let output = workspace
            .command(&["plan", "-no-color"])
            .env("PATH", std::env::join_paths(path).expect("a PATH"))
            .output()
            .expect("the CLI starts");
        let printed = unwrapped(&text(&output));
        assert!(printed.contains("127.0.0.1:1") && printed.contains("127.0.0.1:3"), "{}: {printed}", cli.name);
        for (program, asked) in [
            ("aws", "eks get-token --cluster-name prod-us --region us-east-1"),
            ("kubelogin", "get-token --server-id 6dae42f8-4368-4678-94ff-3960e28e3630 --login azurecli"),
            ("gke-gcloud-auth-plugin", "https://127.0.0.1:2"),
        ] {
            let trace = workspace.read(&format!("{program}.trace"));
            assert!(trace.contains(asked), "{}: {program} was asked\n{trace}", cli.name);
        }
    }
}
