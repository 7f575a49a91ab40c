//! A CA that is signed outside for a key that never leaves the cluster.

use super::{Mesh, own_root::openssl};
use crate::workspace::Workspace;

pub(super) fn a_request_is_signed_outside_and_its_key_never_leaves_the_cluster(mesh: &Mesh) {
    let Mesh { eu, cli, .. } = mesh;
    let folder = tempfile::tempdir().expect("a folder");
    let path = |file: &str| folder.path().join(file);
    let read = |file: &str| std::fs::read_to_string(path(file)).expect("a file");
    for (name, subject) in [("root", "/DC=com/DC=corp/OU=a/OU=b/CN=Corp root"), ("issuing", "/O=Corp/CN=Corp issuing")] {
        openssl(
            folder.path(),
            &["req", "-newkey", "rsa:2048", "-nodes", "-keyout", &format!("{name}.key"), "-out", &format!("{name}.csr"), "-subj", subject],
        );
    }
    std::fs::write(path("ca.ext"), "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n").expect("written");
    openssl(
        folder.path(),
        &["x509", "-req", "-in", "root.csr", "-signkey", "root.key", "-out", "root.pem", "-days", "300", "-extfile", "ca.ext"],
    );
    let by = |issuer: &str, name: &str, extensions: &[&str]| {
        let (issuer, key) = (format!("{issuer}.pem"), format!("{issuer}.key"));
        let (request, signed) = (format!("{name}.csr"), format!("{name}.pem"));
        let sign = ["x509", "-req", "-in", &request, "-CA", &issuer, "-CAkey", &key, "-CAcreateserial", "-out", &signed, "-days", "200"];
        openssl(folder.path(), &[&sign, extensions].concat());
    };
    by("root", "issuing", &["-extfile", "ca.ext"]);

    let configuration = |rotation: u32| {
        format!(
            r#"
            terraform {{
              required_providers {{
                mesh = {{ source = "terraform-provider-mesh/mesh" }}
              }}
            }}
            provider "mesh" {{ clusters = {{ eu = {{ config_path = "{}" }} }} }}
            resource "mesh_cluster_ca_request" "eu" {{
              cluster   = "eu"
              namespace = "requested"
              rotation  = {rotation}
            }}
            "#,
            eu.kubeconfig_path().display(),
        )
    };
    let ca = format!(
        r#"
        resource "mesh_cluster_ca" "eu" {{
          cluster                  = "eu"
          namespace                = "requested"
          request                  = mesh_cluster_ca_request.eu
          intermediate_certificate = file("{0}/eu.pem")
          intermediate_chain       = file("{0}/issuing.pem")
          root_certificate         = file("{0}/root.pem")
        }}
        "#,
        folder.path().display(),
    );
    let workspace = Workspace::new(cli, &configuration(1));
    // As a security team does: what is asked for is what it signs, CA extensions included.
    let sign = || {
        let request = workspace.state("mesh_cluster_ca_request.eu")["certificate_request"].as_str().expect("a request").to_owned();
        std::fs::write(path("eu.csr"), request).expect("written");
        openssl(folder.path(), &["req", "-in", "eu.csr", "-verify", "-noout"]);
        by("issuing", "eu", &["-copy_extensions", "copyall"]);
    };
    let in_use = || {
        let secret = eu.kubectl(&["get", "secret", "-n", "requested", "cacerts", "-o", "json"]).expect("a Secret");
        let secret: serde_json::Value = serde_json::from_str(&secret).expect("JSON");
        for (key, file) in
            [("ca-cert.pem", "used.pem"), ("cert-chain.pem", "chain.pem"), ("root-cert.pem", "roots.pem"), ("ca-key.pem", "used.key")]
        {
            let encoded = secret["data"][key].as_str().expect("a key");
            std::fs::write(path(file), base64::Engine::decode(&base64::engine::general_purpose::STANDARD, encoded).expect("base64"))
                .expect("written");
        }
        openssl(folder.path(), &["verify", "-x509_strict", "-CAfile", "roots.pem", "-untrusted", "chain.pem", "used.pem"]);
        read("used.pem")
    };
    workspace.apply();
    workspace.assert_settled();
    sign();
    workspace.write("ca.tf", &ca);
    workspace.succeed(&["plan", "-no-color", "-out=plan"]);
    workspace.succeed(&["apply", "-no-color", "plan"]);
    workspace.assert_settled();
    let first = in_use();
    assert_eq!(first.trim(), read("eu.pem").trim());

    // A new request changes nothing of what is in use until its certificate is there.
    workspace.write("main.tf", &configuration(2));
    workspace.apply();
    let waiting = workspace.succeed(&["plan", "-no-color"]);
    assert!(waiting.contains("The certificate is not for the request"), "{waiting}");
    assert_eq!(in_use(), first);
    sign();
    workspace.apply();
    workspace.assert_settled();
    let second = in_use();
    assert!(second.trim() == read("eu.pem").trim() && second != first);
    let key = read("used.key").lines().nth(1).expect("a line of the key").to_owned();
    for (place, found) in [("the state", workspace.read("terraform.tfstate")), ("the plan", workspace.unpacked("plan"))] {
        assert!(found.contains("mesh_cluster_ca_request") && !found.contains(&key), "{}: the key is in {place}", cli.name);
    }
    workspace.destroy();
}
