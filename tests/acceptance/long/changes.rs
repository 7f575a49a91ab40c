//! Changes of a mesh that carries traffic in both directions.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use super::mesh::{Changes, Mesh};
use crate::{
    fixture::lab,
    traffic::{Traffic, assert_hardly_lost},
    workspace::{Workspace, clis, text},
};

/// How long the connections of replaced configuration live.
const DRAINED: Duration = Duration::from_secs(45);

/// About five minutes for each CLI.
#[test]
#[ignore = "takes several minutes with each CLI"]
fn a_mesh_that_changes_keeps_its_calls() {
    for cli in clis(&lab()) {
        println!("{}", cli.name);
        let mesh = Mesh::bring_up(&cli);
        let Mesh { us, eu, workspace, lab } = &mesh;
        let mut changes = Changes::under(Traffic::start_both_ways(lab));
        // An Envoy closes the connections of a configuration that was replaced after 45 s: those of the mesh's beginning aren't counted as a change's.
        changes.make("nothing, after the mesh was made", || std::thread::sleep(DRAINED));
        changes.make("nothing", || {});
        changes.make("apply without a change", || drop(workspace.apply()));
        changes.make("Helm values of the control planes updated: istiod restarts", || {
            workspace.edit(
                "values       = var.values.istiod",
                "values       = concat(var.values.istiod, [yamlencode({ podAnnotations = { round = \"2\" } })])",
            );
            assert!(workspace.apply().contains("2 changed"));
        });
        changes.make("drift repaired: mTLS mode, a ServiceAccount, replicas of istiod", || {
            let permissive = r#"{"spec":{"mtls":{"mode":"PERMISSIVE"}}}"#;
            us.kubectl(&["patch", "-n", "istio-system", "peerauthentication/default", "--type=merge", "-p", permissive]).expect("patched");
            eu.kubectl(&["delete", "-n", "istio-system", "serviceaccount/istio-reader-service-account"]).expect("deleted");
            us.kubectl(&["scale", "-n", "istio-system", "deployment/istiod", "--replicas=2"]).expect("scaled");
            workspace.changes();
            workspace.apply();
            workspace.assert_settled();
        });
        changes.make("an export added", || {
            workspace.write("more.tf", &second_export("this[\"eu\"]", ""));
            workspace.apply();
        });
        changes.make("an export changed: its ports, and its namespace in the importers", || {
            workspace
                .write("more.tf", &second_export("this[\"eu\"]", "ports = [{ number = 80, target_port = 8080, protocol = \"HTTP\" }]"));
            workspace.apply();
            workspace.edit("  locality         = \"eu\"", "  locality         = \"eu\"\n  importer_namespace = \"echo\"");
            workspace.apply();
        });
        changes.make("an export removed", || {
            workspace.write("more.tf", "");
            workspace.apply();
            workspace.assert_settled();
        });
        changes.make("gateways rolled, one pod each", || {
            workspace.edit(
                "values   = var.values.gateway",
                "values   = concat(var.values.gateway, [yamlencode({ podAnnotations = { round = \"2\" } })])",
            );
            assert!(workspace.apply().contains("changed"));
        });
        changes.make_with_loss("the gateway's address changed by the cloud, then applied", || {
            eu.balancer().readdress("istio-system", "istio-eastwestgateway").expect("moved");
            workspace.apply();
            workspace.assert_settled();
        });
        // How a gateway is replaced: a second one, the exports moved to it, and then the first one removed.
        changes.make("a second gateway of the EU, and its exports moved to it", || {
            workspace.write("second.tf", SECOND_GATEWAY);
            workspace.edit("gateway          = mesh_eastwest_gateway.this[\"eu\"]", "gateway          = mesh_eastwest_gateway.second");
            workspace.apply();
            workspace.assert_settled();
        });
        changes.make("the EU's first gateway removed", || {
            workspace.edit(
                "resource \"mesh_eastwest_gateway\" \"this\" {\n  for_each = local.members",
                "resource \"mesh_eastwest_gateway\" \"this\" {\n  for_each = setsubtract(local.members, [\"eu\"])",
            );
            assert!(workspace.apply().contains("1 destroyed"));
            workspace.assert_settled();
        });
        // Each importer in turn: the other one's export is changed meanwhile, as far as it can be.
        for (down, export) in [(us, "mesh_service_export.echo"), (eu, "mesh_service_export.back")] {
            let what = format!("the API server of the {} down, its import changed and then finished", down.name());
            changes.make(Box::leak(what.into_boxed_str()), || {
                workspace.edit("locality         = \"eu\"", "locality         = \"eu-west\"");
                workspace.write("back.tf", &super::mesh::BACK.replace("service_accounts", "locality = \"us-east\"\n  service_accounts"));
                down.stop_api_server().expect("stopped");
                let failed = workspace.fail(&["apply", "-auto-approve", "-no-color", "-target", export]);
                assert!(failed.contains(&format!("cluster \"{}\"", down.name())), "{failed}");
                down.start_api_server().expect("started");
                workspace.apply();
                workspace.assert_settled();
                workspace.edit("locality         = \"eu-west\"", "locality         = \"eu\"");
                workspace.write("back.tf", super::mesh::BACK);
                workspace.apply();
            });
        }
        changes.make("nothing, at the end", || std::thread::sleep(DRAINED));
        changes.finish();
    }
}

/// About five minutes for each CLI.
#[test]
#[ignore = "takes several minutes with each CLI"]
fn a_killed_provider_misdirects_no_call() {
    for cli in clis(&lab()) {
        let mesh = Mesh::bring_up(&cli);
        std::thread::sleep(DRAINED);
        let traffic = Traffic::start(&mesh.lab);
        for (round, seconds) in [3, 6, 9].into_iter().enumerate() {
            let values =
                format!("values       = concat(var.values.istiod, [yamlencode({{ podAnnotations = {{ round = \"{round}\" }} }})])");
            let main = mesh.workspace.read("main.tf");
            let before = main.lines().find(|line| line.contains("values       =")).expect("values").trim();
            mesh.workspace.edit(before, &values);
            let killed = apply_and_kill(&mesh.workspace, Duration::from_secs(seconds));
            assert!(
                killed.contains("lugin") && !killed.contains("Apply complete"),
                "{} was not killed after {seconds} s:\n{killed}",
                cli.name
            );
            mesh.workspace.apply();
            mesh.workspace.assert_settled();
        }
        traffic.flow(DRAINED);
        assert_hardly_lost(&traffic.finish());
    }
}

/// Applies, and kills the provider that long after it has begun to change something. Returns what the CLI printed.
fn apply_and_kill(workspace: &Workspace, after: Duration) -> String {
    workspace.succeed(&["plan", "-no-color", "-out=changed"]);
    let mut apply = workspace.command(&["apply", "-no-color", "changed"]);
    let apply = apply.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the CLI starts");
    std::thread::sleep(after);
    let killed = Command::new("pkill").args(["-KILL", "-P", &apply.id().to_string()]).status().expect("pkill");
    assert!(killed.success(), "the CLI had no provider {after:?} after its start");
    let output = apply.wait_with_output().expect("ended");
    assert!(!output.status.success(), "an apply without its provider succeeded:\n{}", text(&output));
    text(&output)
}

/// A gateway of the EU beside the first one.
const SECOND_GATEWAY: &str = r#"
resource "mesh_eastwest_gateway" "second" {
  cluster = mesh_cluster.this["eu"].cluster
  network = mesh_cluster.this["eu"].network
  name    = "istio-second"
  values  = var.values.gateway
}
"#;

/// A further host for `echo` of the EU.
fn second_export(gateway: &str, attributes: &str) -> String {
    format!(
        "resource \"mesh_service_export\" \"more\" {{\n  host      = \"more.eu.mesh.local\"\n  gateway   = mesh_eastwest_gateway.{gateway}\n  \
         namespace = \"echo\"\n  service   = \"echo\"\n  importers = [mesh_cluster.this[\"us\"].cluster]\n  {attributes}\n}}\n"
    )
}
