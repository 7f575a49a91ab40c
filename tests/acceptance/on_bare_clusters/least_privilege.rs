//! Accounts with the roles of `examples/rbac` and no other rights.

use mesh_lab::{Cluster, echo_manifest, gateway_api, remove_gateway_api};
use serde_json::{Value as Json, json};

use crate::{
    fixture::{REQUIREMENT, bare_clusters, both, example, example_file},
    workspace::{Workspace, cli, unwrapped},
};

const ROLES: [&str; 5] = ["mesh-installer", "mesh-exporter", "mesh-importer", "mesh-discovery", "mesh-reader"];

/// The account of a team that does all but install, and its roles.
const TEAM: (&str, [&str; 3]) = ("team", ["mesh-exporter", "mesh-importer", "mesh-discovery"]);

/// Gives each role to an account of its name, and those of the team to its account.
fn make_accounts(cluster: &Cluster) {
    cluster.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: terraform}\n").expect("a namespace");
    for role in ROLES {
        let accounts = if TEAM.1.contains(&role) { vec![role, TEAM.0] } else { vec![role] };
        let subjects: Vec<_> =
            accounts.iter().map(|account| json!({"kind": "ServiceAccount", "name": account, "namespace": "terraform"})).collect();
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": role},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}, "subjects": subjects,
        });
        let account = |name| json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "terraform"}});
        let objects: Vec<_> = accounts.into_iter().map(account).chain([binding]).map(|object| format!("---\n{object}\n")).collect();
        cluster.apply(&format!("{}{}", example_file(&format!("rbac/{role}.yaml")), objects.concat())).expect("an account");
    }
}

fn remove_accounts(cluster: &Cluster) {
    cluster.kubectl(&[&["delete", "clusterrole"][..], &ROLES].concat()).expect("deleted");
    cluster.kubectl(&[&["delete", "clusterrolebinding"][..], &ROLES].concat()).expect("deleted");
    cluster.kubectl(&["delete", "namespace", "terraform"]).expect("deleted");
}

/// The access to a cluster as an account.
fn access(cluster: &Cluster, account: &str) -> Json {
    let token = cluster.kubectl(&["create", "token", "-n", "terraform", account, "--duration=1h"]).expect("a token");
    let ca = ["config", "view", "--raw", "-o", "jsonpath={.clusters[0].cluster.certificate-authority-data}"];
    json!({
        "host": cluster.name().server(),
        "cluster_ca_certificate": cluster.kubectl(&ca).expect("a CA"),
        "token": token.trim(),
    })
}

/// Writes the access of both clusters into the provider's configuration of a workspace, by `var.access`.
fn give_access(workspace: &Workspace, us: &Json, eu: &Json) {
    workspace.write("access.auto.tfvars.json", &json!({ "access": { "us": us, "eu": eu } }).to_string());
}

const ACCESS: &str = r#"
variable "access" {
  type = map(object({ host = string, cluster_ca_certificate = string, token = string }))
}
"#;

const CLUSTERS: &str = "clusters = { for key, access in var.access : key => merge(access, { cluster_ca_certificate = base64decode(access.cluster_ca_certificate) }) }";

/// What whoever reads may look at.
const LOOKS: &str = r#"
data "mesh_status" "all" {}
data "mesh_topology" "all" {}
data "mesh_services" "eu" {
  cluster    = "eu"
  namespaces = ["echo"]
}
output "problems" { value = data.mesh_status.all.summary }
output "picture" { value = data.mesh_topology.all.mermaid }
output "services" { value = keys(data.mesh_services.eu.services) }
"#;

const REQUEST: &str = r#"
resource "mesh_cluster_ca_request" "eu" {
  cluster   = "eu"
  namespace = "requested"
}
"#;

/// All that a team manages beside an export from one cluster to the other.
fn of_a_team(platform: &Workspace) -> String {
    let gateway = |key: &str| {
        let state = platform.state(&format!("mesh_eastwest_gateway.this[\"{key}\"]"));
        json!({"cluster": key, "namespace": "istio-system", "name": "istio-eastwestgateway", "network": state["network"], "addresses": state["addresses"]})
    };
    let gateways = json!({"us": gateway("us"), "eu": gateway("eu")});
    format!(
        r#"
        {REQUIREMENT}
        {ACCESS}
        provider "mesh" {{
          {CLUSTERS}
        }}
        locals {{
          gateways = {gateways}
          others   = {{ us = "eu", eu = "us" }}
        }}
        resource "mesh_link" "to" {{
          for_each  = local.others
          cluster   = each.key
          network   = local.gateways[each.value].network
          addresses = local.gateways[each.value].addresses
        }}
        resource "mesh_global_service" "echo" {{
          host             = "echo.mesh.local"
          namespace        = "echo"
          service          = "echo"
          service_accounts = ["echo"]
          trust_domain     = "corp.local"
          gateways         = local.gateways
          weights          = {{ us = 1 }}
          depends_on       = [mesh_link.to]
        }}
        resource "mesh_service_export" "echo" {{
          host             = "echo.eu.mesh.local"
          gateway          = local.gateways.eu
          namespace        = "echo"
          service          = "echo"
          service_accounts = ["echo"]
          trust_domain     = "corp.local"
          importers        = []
        }}
        resource "mesh_service_import" "echo" {{
          cluster = "us"
          service = mesh_service_export.echo.import
        }}
        resource "mesh_remote_secret" "read" {{
          for_each       = local.others
          cluster        = each.key
          remote         = {{ cluster = each.value }}
          remote_gateway = local.gateways[each.value]
        }}
        "#
    )
}

/// The check before an install has nothing to say of an account with these roles, nor of the mesh that is there.
fn assert_all_allowed(workspace: &Workspace, roles: &str) {
    let precheck = format!(
        "data \"mesh_precheck\" \"all\" {{\n  roles = [{roles}]\n}}\noutput \"problems\" {{\n  value = data.mesh_precheck.all.summary\n}}\n"
    );
    workspace.write("precheck.tf", &precheck);
    let planned = unwrapped(&workspace.succeed(&["plan", "-no-color"]));
    workspace.write("precheck.tf", "");
    assert!(planned.contains("+ problems = \"ok: "), "{roles}: {planned}");
}

/// The role is a second one, bound in istiod's namespace, which is the gateway's as well.
fn a_reader_who_may_forward_ports_also_asks_pods(team: &Workspace, clusters: &[&Cluster]) {
    team.write(
        "status.tf",
        "data \"mesh_status\" \"all\" {}\noutput \"problems\" { value = data.mesh_status.all.summary }\noutput \"ids\" { value = join(\",\", \
         data.mesh_status.all.checks[*].id) }\n",
    );
    let looked = || unwrapped(&team.succeed(&["plan", "-no-color"]));
    // What gateways present is asked for only where pods have sidecars.
    let asking = "ca.used";
    let plain = looked();
    assert!(plain.contains("istiod.ready") && !plain.contains(asking), "{plain}");
    for cluster in clusters {
        cluster.apply(&example_file("rbac/mesh-inspector.yaml")).expect("a role");
        let binding = ["--clusterrole=mesh-inspector", "--serviceaccount=terraform:mesh-reader"];
        cluster.kubectl(&[&["create", "rolebinding", "-n", "istio-system", "inspector"][..], &binding].concat()).expect("bound");
    }
    let inspected = looked();
    assert!(inspected.contains(asking) && !inspected.contains("unknown "), "{inspected}");
    for cluster in clusters {
        cluster.kubectl(&["delete", "rolebinding", "-n", "istio-system", "inspector"]).expect("deleted");
        cluster.kubectl(&["delete", "clusterrole", "mesh-inspector"]).expect("deleted");
    }
}

#[test]
fn accounts_with_the_roles_of_the_guide_suffice_by_tofu() {
    suffice("tofu");
}

#[test]
#[ignore = "runs with OpenTofu"]
fn accounts_with_the_roles_of_the_guide_suffice_by_terraform() {
    suffice("terraform");
}

fn suffice(name: &str) {
    let lab = bare_clusters();
    let Some(cli) = cli(&lab, name) else { return };
    let (us, eu) = both(&lab);
    for cluster in [&us, &eu] {
        make_accounts(cluster);
    }
    let of = |account: &str| (access(&us, account), access(&eu, account));
    let (us_installer, eu_installer) = of("mesh-installer");
    let (us_reader, eu_reader) = of("mesh-reader");

    // The platform's state has the mesh, and the team's the export.
    let platform = example(&lab, &cli);
    platform.edit("clusters = var.clusters\n  helm", &format!("{CLUSTERS}\n  helm"));
    platform.write("access.tf", ACCESS);
    platform.cut("resource \"mesh_service_export\" \"echo\"");
    give_access(&platform, &us_installer, &eu_installer);
    platform.apply();
    platform.assert_settled();
    platform.edit(
        "values   = var.values.gateway",
        "values   = concat(var.values.gateway, [yamlencode({ podAnnotations = { round = \"2\" } })])",
    );
    platform.apply();
    assert_all_allowed(&platform, "\"mesh-installer\", \"mesh-exporter\"");
    give_access(&platform, &us_reader, &eu_reader);
    assert_all_allowed(&platform, "\"mesh-reader\"");
    platform.assert_settled();

    let gateway = platform.state("mesh_eastwest_gateway.this[\"eu\"]");
    let gateway =
        json!({ "cluster": "eu", "namespace": "istio-system", "name": "istio-eastwestgateway", "addresses": gateway["addresses"] });
    let export = format!(
        r#"
        {REQUIREMENT}
        {ACCESS}
        provider "mesh" {{
          {CLUSTERS}
        }}
        resource "mesh_service_export" "echo" {{
          host             = "echo.eu.mesh.local"
          gateway          = {gateway}
          namespace        = "echo"
          service          = "echo"
          service_accounts = ["echo"]
          callers          = ["spiffe://corp.local/ns/echo/sa/client"]
          importers        = ["us"]
        }}
        "#
    );
    let team = Workspace::new(&cli, &export);
    give_access(&team, &access(&us, "mesh-importer"), &access(&eu, "mesh-exporter"));
    team.apply();
    team.assert_settled();
    team.edit("service_accounts = [\"echo\"]", "service_accounts = [\"echo\"]\n  vip = \"240.0.0.9\"");
    team.apply();

    // Whoever reads may plan and look at everything, and change nothing.
    give_access(&team, &us_reader, &eu_reader);
    team.assert_settled();
    team.write("status.tf", LOOKS);
    let status = unwrapped(&team.succeed(&["plan", "-no-color"]));
    let problems = status.split("problems = ").nth(1).expect("the output");
    assert!(!problems.contains("cluster.readable") && !problems.contains("unknown "), "{status}");
    assert!(status.contains("1 host") && status.contains("echo/echo"), "{status}");
    a_reader_who_may_forward_ports_also_asks_pods(&team, &[&us, &eu]);
    team.write("status.tf", "");
    team.edit("vip = \"240.0.0.9\"", "vip = \"240.0.0.10\"");
    let refused = unwrapped(&team.fail(&["apply", "-auto-approve", "-no-color"]));
    for words in ["system:serviceaccount:terraform:mesh-reader", "[\"authorizationpolicies\"], verbs: [\"patch\"]", "Least privilege"] {
        assert!(refused.contains(words), "no {words}:\n{refused}");
    }

    give_access(&team, &access(&us, "mesh-importer"), &access(&eu, "mesh-exporter"));
    team.apply();
    team.destroy();
    for cluster in [&us, &eu] {
        cluster.apply(&gateway_api().expect("definitions")).expect("the Gateway API");
        cluster.apply(&echo_manifest(cluster.name())).expect("echo");
    }
    let everything = Workspace::new(&cli, &of_a_team(&platform));
    let (us_team, eu_team) = of(TEAM.0);
    give_access(&everything, &us_team, &eu_team);
    everything.apply();
    everything.assert_settled();
    give_access(&everything, &us_reader, &eu_reader);
    everything.assert_settled();
    give_access(&everything, &us_team, &eu_team);
    everything.edit("{ us = 1 }", "{ us = 0 }");
    everything.apply();
    everything.destroy();
    for cluster in [&us, &eu] {
        remove_gateway_api(cluster).expect("deleted");
    }

    let request = Workspace::new(&cli, &format!("{REQUIREMENT}\n{ACCESS}\nprovider \"mesh\" {{\n  {CLUSTERS}\n}}\n{REQUEST}"));
    give_access(&request, &us_installer, &eu_installer);
    request.apply();
    request.assert_settled();
    request.destroy();
    give_access(&platform, &us_installer, &eu_installer);
    platform.destroy();
    for cluster in [&us, &eu] {
        remove_accounts(cluster);
        assert!(cluster.kubectl(&["get", "namespace", "istio-system"]).is_err(), "{}: the namespace is left", cli.name);
    }
}
