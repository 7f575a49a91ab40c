//! The module of `examples/modules/mesh`, with all ports of a Service exported.

use mesh_lab::Lab;

use crate::{
    fixture::{REQUIREMENT, bare_clusters, both, variables},
    traffic::{Calls, HOST, call_host_until_ok, restart_workloads},
    workspace::{Workspace, clis, unwrapped},
};

#[test]
fn the_module_makes_a_mesh_with_several_ports() {
    let lab = bare_clusters();
    // Its plans are tested with both CLIs; what they apply is the same.
    if let Some(cli) = clis(&lab).last() {
        let workspace = Workspace::new(
            cli,
            &format!(
                r#"
                {REQUIREMENT}
                variable "clusters" {{ type = any }}
                variable "helm" {{ type = any }}
                variable "values" {{ type = any }}
                provider "mesh" {{
                  clusters = var.clusters
                  helm     = var.helm
                }}
                module "mesh" {{
                  source         = "./mesh"
                  mesh_id        = "training-mesh"
                  root_cluster   = "us"
                  members        = {{ us = {{ network = "us-net" }}, eu = {{ network = "eu-net" }} }}
                  istiod_values  = var.values.istiod
                  gateway_values = var.values.gateway
                  exports = {{
                    "{HOST}" = {{ cluster = "eu", namespace = "echo", service = "echo", service_accounts = ["echo"] }}
                  }}
                }}
                "#
            ),
        );
        workspace.add_module("mesh");
        workspace.write("terraform.tfvars.json", &variables(&lab).to_string());
        workspace.succeed(&["get"]);
        workspace.apply();
        workspace.assert_settled();
        restart_workloads(&lab);
        assert!(call_host_until_ok(&lab).contains("spiffe://cluster.local/ns/echo/sa/client"));
        // TCP: the echo server repeats the line. gRPC: the server knows no such method, and says so in gRPC.
        let tcp = "exec 3<>/dev/tcp/echo.eu.mesh.local/9090; echo hello >&3; timeout 5 cat <&3";
        let (us, _) = both(&lab);
        let answer = us.exec("echo", "deploy/client", &["bash", "-c", tcp]).expect("exec");
        assert!(String::from_utf8_lossy(&answer.stdout).contains("hello"), "TCP isn't answered: {answer:?}");
        let grpc = us
            .exec(
                "echo",
                "deploy/client",
                &[
                    "curl",
                    "-sS",
                    "-o",
                    "/dev/null",
                    "--http2-prior-knowledge",
                    "-H",
                    "content-type: application/grpc",
                    "-X",
                    "POST",
                    "-D",
                    "-",
                    "http://echo.eu.mesh.local:7070/proto.EchoTestService/None",
                ],
            )
            .expect("exec");
        assert!(String::from_utf8_lossy(&grpc.stdout).contains("grpc-status: 12"), "gRPC isn't answered: {grpc:?}");
        a_cluster_gets_another_key(&lab, &workspace);
        a_cluster_leaves(&lab, &workspace);
        workspace.destroy();
    }
}

/// As the guide on removing and renaming a cluster describes it: nothing is replaced, and calls go on.
fn a_cluster_gets_another_key(lab: &Lab, workspace: &Workspace) {
    let mut variables = variables(lab);
    variables["clusters"]["europe"] = variables["clusters"]["eu"].clone();
    workspace.write("terraform.tfvars.json", &variables.to_string());
    workspace.edit("eu = { network = \"eu-net\" }", "europe = { network = \"eu-net\", cluster_name = \"eu\" }");
    workspace.edit("{ cluster = \"eu\"", "{ cluster = \"europe\"");
    let mut imports = String::new();
    for (resource, id) in [
        ("mesh_cluster_ca", "europe/istio-system"),
        ("mesh_cluster", "europe/istio-system"),
        ("mesh_eastwest_gateway", "europe/istio-system/istio-eastwestgateway"),
    ] {
        workspace.succeed(&["state", "rm", &format!("module.mesh.{resource}.this[\"eu\"]")]);
        imports.push_str(&format!("import {{\n  to = module.mesh.{resource}.this[\"europe\"]\n  id = \"{id}\"\n}}\n"));
    }
    workspace.write("imports.tf", &imports);
    let plan = workspace.changes();
    assert!(plan.contains("3 to import, 0 to add,") && plan.contains("0 to destroy"), "{plan}");
    let calls = Calls::start(lab);
    workspace.apply();
    assert_eq!(calls.failed(), 0, "calls failed while the cluster got another key");
    variables["clusters"].as_object_mut().expect("clusters").remove("eu");
    workspace.write("terraform.tfvars.json", &variables.to_string());
    workspace.write("imports.tf", "");
    workspace.assert_settled();
    assert!(call_host_until_ok(lab).contains("Cluster=eu"));
}

/// A cluster leaves `members` first, and the provider's `clusters` only then.
fn a_cluster_leaves(lab: &Lab, workspace: &Workspace) {
    let main = workspace.read("main.tf");
    let exports = main.find("exports = {").expect("exports");
    let end = exports + main[exports..].find("}\n                  }").expect("an end") + "}\n                  }".len();
    workspace.write("main.tf", &format!("{}{}", &main[..exports], &main[end..]));
    workspace.edit(", europe = { network = \"eu-net\", cluster_name = \"eu\" }", "");
    let all = workspace.read("terraform.tfvars.json");
    let mut without: serde_json::Value = serde_json::from_str(&all).expect("JSON");
    without["clusters"].as_object_mut().expect("clusters").remove("europe");
    workspace.write("terraform.tfvars.json", &without.to_string());
    let refused = workspace.fail(&["plan", "-no-color"]);
    assert!(refused.contains("No access to cluster \"europe\"") && refused.contains("state rm"), "{refused}");
    workspace.write("terraform.tfvars.json", &all);
    let printed = unwrapped(&workspace.apply());
    assert!(printed.contains("Workloads still have sidecars"), "{printed}");
    workspace.write("terraform.tfvars.json", &without.to_string());
    workspace.assert_settled();
    let (_, eu) = both(lab);
    assert!(eu.kubectl(&["get", "namespace", "istio-system"]).is_err(), "nothing of Istio is left in the cluster");
}
