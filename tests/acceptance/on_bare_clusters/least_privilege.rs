//! Accounts with the roles of `examples/rbac` and no other rights.

use mesh_lab::Cluster;
use serde_json::{Value as Json, json};

use crate::{
    fixture::{REQUIREMENT, bare_clusters, both, example, example_file, lab},
    workspace::{Workspace, clis, unwrapped},
};

const ROLES: [&str; 4] = ["mesh-installer", "mesh-exporter", "mesh-importer", "mesh-reader"];

/// Gives each role to an account of its name.
fn make_accounts(cluster: &Cluster) {
    cluster.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: terraform}\n").expect("a namespace");
    for role in ROLES {
        let account = format!(
            "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {role}, namespace: terraform}}\n---\napiVersion: \
             rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {{name: {role}}}\nroleRef: {{apiGroup: rbac.authorization.k8s.io, kind: \
             ClusterRole, name: {role}}}\nsubjects: [{{kind: ServiceAccount, name: {role}, namespace: terraform}}]\n"
        );
        cluster.apply(&format!("{}---\n{account}", example_file(&format!("rbac/{role}.yaml")))).expect("an account");
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

#[test]
fn accounts_with_the_roles_of_the_guide_suffice() {
    for cli in clis(&lab()) {
        let lab = bare_clusters();
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
        team.write("status.tf", "data \"mesh_status\" \"all\" {}\noutput \"problems\" { value = data.mesh_status.all.summary }\n");
        let status = unwrapped(&team.succeed(&["plan", "-no-color"]));
        assert!(!status.contains("cluster.readable") && !status.contains("unknown "), "{status}");
        team.write("status.tf", "");
        team.edit("vip = \"240.0.0.9\"", "vip = \"240.0.0.10\"");
        let refused = unwrapped(&team.fail(&["apply", "-auto-approve", "-no-color"]));
        for words in ["system:serviceaccount:terraform:mesh-reader", "[\"authorizationpolicies\"], verbs: [\"patch\"]", "Least privilege"] {
            assert!(refused.contains(words), "no {words}:\n{refused}");
        }

        give_access(&team, &access(&us, "mesh-importer"), &access(&eu, "mesh-exporter"));
        team.apply();
        team.destroy();
        give_access(&platform, &us_installer, &eu_installer);
        platform.destroy();
        for cluster in [&us, &eu] {
            remove_accounts(cluster);
            assert!(cluster.kubectl(&["get", "namespace", "istio-system"]).is_err(), "{}: the namespace is left", cli.name);
        }
    }
}
