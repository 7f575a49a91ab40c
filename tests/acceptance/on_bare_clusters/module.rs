//! The module of `examples/modules/mesh`, with all ports of a Service exported.

use crate::{
    fixture::{REQUIREMENT, bare_clusters, both, variables},
    traffic::{HOST, call_host_until_ok, restart_workloads},
    workspace::{Workspace, clis},
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
                  networks       = {{ us = "us-net", eu = "eu-net" }}
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
        workspace.destroy();
    }
}
