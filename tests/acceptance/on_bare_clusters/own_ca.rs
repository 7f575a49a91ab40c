//! The ways in which a company has its CA, one after the other in the exporting cluster of a running mesh: all below one root, so that each change is
//! a renewal, which costs no call. In each way a workload then gets a certificate, which openssl judges and a client in the other region accepts.

use std::path::Path;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use mesh_lab::Cluster;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::{
    rotation::{certificates, only, wait_for},
    trust::remove_blocks,
};
use crate::{
    fixture::{bare_clusters, both, example},
    on_a_mesh::own_root::openssl,
    traffic::{Calls, call_host_until_ok, restart_workloads},
    workspace::{Workspace, cli},
};

const ROOT_AND_US: &str = r#"
variable "root_key" {
  type      = string
  ephemeral = true
  default   = null
}

variable "eu_key" {
  type      = string
  ephemeral = true
  default   = null
}

resource "mesh_root_ca" "mesh" {
  cluster                         = "us"
  existing_certificate            = file("ca/root.pem")
  existing_private_key_wo         = var.root_key
  existing_private_key_wo_version = 1
}

resource "mesh_cluster_ca" "us" {
  cluster = "us"
  root_ca = mesh_root_ca.mesh
}
"#;

/// The lines of the EU's `mesh_cluster_ca` in each way, and what stands beside it.
const WAYS: &[(&str, &str, &str)] = &[
    ("renewed by a plain apply", "root_ca = mesh_root_ca.mesh\n  validity_days = 100", ""),
    (
        "signed by a root whose key is given once",
        "root_certificate = file(\"ca/root.pem\")\n  root_private_key_wo = var.root_key\n  root_private_key_wo_version = 1",
        "",
    ),
    (
        "ready-made, below an issuing CA",
        "intermediate_certificate = file(\"ca/eu.pem\")\n  intermediate_private_key_wo = var.eu_key\n  intermediate_private_key_wo_version = 1\n  \
         intermediate_chain = file(\"ca/issuing.pem\")\n  root_certificate = file(\"ca/root.pem\")",
        "",
    ),
    (
        "signed elsewhere for a key that stays in the cluster",
        "request = mesh_cluster_ca_request.eu\n  intermediate_certificate = file(\"ca/requested.pem\")\n  \
         intermediate_chain = file(\"ca/issuing.pem\")\n  root_certificate = file(\"ca/root.pem\")",
        "resource \"mesh_cluster_ca_request\" \"eu\" {\n  cluster = \"eu\"\n}\n",
    ),
];

const EXTERNAL: &str = "external = true\n  root_certificate = file(\"ca/root.pem\")";

#[test]
#[ignore = "takes ten minutes"]
fn each_way_to_a_ca_makes_a_call_and_costs_none_by_tofu() {
    go_each_way("tofu");
}

#[test]
#[ignore = "takes ten minutes"]
fn each_way_to_a_ca_makes_a_call_and_costs_none_by_terraform() {
    go_each_way("terraform");
}

fn go_each_way(name: &str) {
    let lab = bare_clusters();
    let Some(cli) = cli(&lab, name) else { return };
    let (us, eu) = both(&lab);
    let workspace = example(&lab, &cli);
    let company = Company::found(workspace.path("ca"));
    workspace.write("key.auto.tfvars.json", &json!({"root_key": company.read("root.key"), "eu_key": company.read("eu.key")}).to_string());
    let without_ca = remove_blocks(&workspace.read("main.tf"), &["resource \"mesh_root_ca\"", "resource \"mesh_cluster_ca\""]);
    workspace.write("main.tf", &without_ca);
    workspace.edit("mesh_cluster_ca.this[each.key]", "each.key == \"us\" ? mesh_cluster_ca.us : mesh_cluster_ca.eu");
    workspace.write("ca.tf", ROOT_AND_US);
    let write = |lines: &str, beside: &str| {
        workspace.write("eu.tf", &format!("resource \"mesh_cluster_ca\" \"eu\" {{\n  cluster = \"eu\"\n  {lines}\n}}\n\n{beside}"));
    };
    write("root_ca = mesh_root_ca.mesh", "");
    workspace.apply();
    workspace.assert_settled();
    restart_workloads(&lab);
    call_host_until_ok(&lab);
    company.judge(&workspace, &eu, "issued by the root's own Secret");

    let mut used = in_use(&workspace);
    for (way, lines, beside) in WAYS {
        if !beside.is_empty() {
            workspace.write("request.tf", beside);
            workspace.apply();
            let request = workspace.state("mesh_cluster_ca_request.eu")["certificate_request"].as_str().expect("a request").to_owned();
            company.sign_request(&request);
        }
        let calls = Calls::start(&lab);
        write(lines, "");
        workspace.apply();
        let now = in_use(&workspace);
        assert_ne!(now, used, "{way}: istiod signs with another CA");
        used = now;
        // What the apply has waited for is stored, so that a plan finds nothing new.
        workspace.assert_settled();
        let (made, failed) = calls.finish();
        assert!(made > 20 && failed == 0, "{}: {way}: {failed} of {made} calls failed", cli.name);
        println!("{way}: {made} calls, none failed");
        restart(&eu);
        company.judge(&workspace, &eu, way);
        call_host_until_ok(&lab);
    }

    // From now on something else writes the Secret: in the form of cert-manager.
    let calls = Calls::start(&lab);
    write(EXTERNAL, "");
    workspace.apply();
    company.write_secret(&eu);
    workspace.apply();
    let followed = || {
        workspace.succeed(&["apply", "-refresh-only", "-auto-approve", "-no-color"]);
        (in_use(&workspace) != used).then_some(())
    };
    wait_for(followed);
    assert_ne!(in_use(&workspace), used, "istiod signs with what something else has written");
    workspace.assert_settled();
    let (made, failed) = calls.finish();
    assert!(made > 20 && failed == 0, "{}: external: {failed} of {made} calls failed", cli.name);
    restart(&eu);
    company.judge(&workspace, &eu, "written by something else");
    call_host_until_ok(&lab);
    let secrets = |cluster: &Cluster| cluster.kubectl(&["get", "secrets", "-n", "istio-system", "-o", "name"]).unwrap_or_default();
    workspace.destroy();
    assert!(secrets(&eu).contains("secret/cacerts"), "what something else writes stays");
    assert!(!secrets(&us).contains("secret/cacerts"));
}

/// The fingerprint of the CA that istiod of the EU has in use, which is that of the configuration.
fn in_use(workspace: &Workspace) -> Json {
    let used = workspace.state("mesh_cluster.this[\"eu\"]")["ca_in_use"].clone();
    let ca = workspace.state("mesh_cluster_ca.eu");
    assert_eq!(used["root_fingerprint"], ca["root_fingerprint"], "{used}");
    if ca["external"] != true {
        assert_eq!((&used["fingerprint"], &used["expires_at"]), (&ca["fingerprint"], &ca["expires_at"]), "{used}");
    }
    used["fingerprint"].clone()
}

fn restart(cluster: &Cluster) {
    cluster.kubectl(&["rollout", "restart", "-n", "echo", "deployment/echo"]).expect("restarted");
    cluster.kubectl(&["rollout", "status", "-n", "echo", "deployment/echo", "--timeout=120s"]).expect("ready");
}

/// The CA of a company: a root with a name as Active Directory makes them, an issuing CA, and intermediates for the EU.
struct Company {
    folder: std::path::PathBuf,
    judged: TempDir,
}

impl Company {
    fn found(folder: std::path::PathBuf) -> Self {
        std::fs::create_dir(&folder).expect("a folder");
        let company = Self { folder, judged: tempfile::tempdir().expect("a folder") };
        let extensions = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n";
        std::fs::write(company.folder.join("ca.ext"), extensions).expect("written");
        for (name, subject) in [
            ("root", "/DC=com/DC=corp/OU=a/OU=b/CN=Corp root"),
            ("issuing", "/O=Corp/CN=Corp issuing"),
            ("eu", "/O=Corp/CN=EU"),
            ("other", "/O=Corp/CN=EU 2"),
        ] {
            let (key, request) = (format!("{name}.key"), format!("{name}.csr"));
            company.run(&["req", "-newkey", "rsa:2048", "-nodes", "-keyout", &key, "-out", &request, "-subj", subject]);
        }
        company.run(&["x509", "-req", "-in", "root.csr", "-signkey", "root.key", "-out", "root.pem", "-days", "300", "-extfile", "ca.ext"]);
        company.sign("root", "issuing", &["-extfile", "ca.ext"]);
        company.sign("issuing", "eu", &["-extfile", "ca.ext"]);
        company.sign("issuing", "other", &["-extfile", "ca.ext"]);
        company
    }

    fn run(&self, arguments: &[&str]) {
        openssl(&self.folder, arguments);
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.folder.join(file)).expect("a file")
    }

    fn sign(&self, issuer: &str, name: &str, extensions: &[&str]) {
        let (certificate, key) = (format!("{issuer}.pem"), format!("{issuer}.key"));
        let (request, signed) = (format!("{name}.csr"), format!("{name}.pem"));
        let sign =
            ["x509", "-req", "-in", &request, "-CA", &certificate, "-CAkey", &key, "-CAcreateserial", "-out", &signed, "-days", "200"];
        self.run(&[&sign, extensions].concat());
    }

    fn sign_request(&self, request: &str) {
        std::fs::write(self.folder.join("requested.csr"), request).expect("written");
        self.sign("issuing", "requested", &["-copy_extensions", "copyall"]);
    }

    /// Replaces the Secret, as cert-manager does.
    fn write_secret(&self, cluster: &Cluster) {
        let encode = |text: String| STANDARD.encode(text);
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": {"name": "cacerts", "namespace": "istio-system", "annotations": {"cert-manager.io/certificate-name": "istio-ca"}},
            "data": {
                "tls.crt": encode(format!("{}{}", self.read("other.pem"), self.read("issuing.pem"))),
                "tls.key": encode(self.read("other.key")), "ca.crt": encode(self.read("root.pem")),
            },
        });
        cluster.kubectl(&["delete", "secret", "-n", "istio-system", "cacerts"]).expect("deleted");
        cluster.apply(&secret.to_string()).expect("applied");
    }

    /// Waits until the exported pods have a certificate of the CA in place, and has openssl verify it up to the root.
    fn judge(&self, workspace: &Workspace, cluster: &Cluster, way: &str) {
        let ca = only(&workspace.state("mesh_cluster_ca.eu")["certificate"]);
        wait_for(|| certificates(cluster, "echo").presented.contains(&ca).then_some(()));
        let found = certificates(cluster, "echo");
        assert!(found.presented.contains(&ca), "{way}: echo doesn't present a certificate of its cluster's CA");
        let judged = self.judged.path();
        std::fs::write(judged.join("chain.pem"), &found.chain).expect("written");
        let root = self.folder.join("root.pem");
        let arguments = ["verify", "-x509_strict", "-CAfile", path(&root), "-untrusted", "chain.pem", "chain.pem"];
        openssl(judged, &arguments);
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}
