//! No private key and no token in state, plan file or the most talkative log.

use crate::{
    mesh::{bare_clusters, both, example},
    workspace::{clis, text},
};

#[test]
fn secrets_are_nowhere() {
    let lab = bare_clusters();
    let (us, eu) = both(&lab);
    for cli in clis(&lab) {
        let workspace = example(&lab, &cli);
        // The EU by token, so that there is one to find.
        eu.kubectl(&["create", "serviceaccount", "-n", "kube-system", "terraform"]).expect("an account");
        eu.kubectl(&["create", "clusterrolebinding", "terraform", "--clusterrole=cluster-admin", "--serviceaccount=kube-system:terraform"])
            .expect("a binding");
        let token = eu.kubectl(&["create", "token", "-n", "kube-system", "terraform", "--duration=2h"]).expect("a token").trim().to_owned();
        std::fs::write(workspace.path("token"), &token).expect("a file");
        let ca =
            eu.kubectl(&["config", "view", "--raw", "-o", "jsonpath={.clusters[0].cluster.certificate-authority-data}"]).expect("a CA");
        std::fs::write(workspace.path("ca"), ca.trim()).expect("a file");
        let main = std::fs::read_to_string(workspace.path("main.tf")).expect("the example");
        let by_token = format!(
            "clusters = {{ us = {{ config_path = \"{}\" }}, eu = {{ host = \"https://198.51.100.12:6443\", cluster_ca_certificate = base64decode(file(\"ca\")), token = file(\"token\") }} }}",
            us.kubeconfig_path().display()
        );
        workspace.write("main.tf", &main.replace("clusters = var.clusters\n  helm", &format!("{by_token}\n  helm")));

        let mut log = String::new();
        for arguments in [&["plan", "-no-color", "-out=plan"][..], &["apply", "-no-color", "plan"], &["plan", "-no-color", "-out=second"]] {
            let output = workspace.command(arguments).env("TF_LOG", "trace").output().expect("the CLI starts");
            assert!(output.status.success(), "{}", text(&output));
            log.push_str(&text(&output));
        }
        let mut secrets = vec![("the token", token)];
        for (cluster, name, key) in [(&us, "mesh-root-ca", "tls\\.key"), (&us, "cacerts", "ca-key\\.pem"), (&eu, "cacerts", "ca-key\\.pem")]
        {
            let path = format!("jsonpath={{.data.{key}}}");
            let encoded = cluster.kubectl(&["get", "secret", "-n", "istio-system", name, "-o", &path]).expect("a Secret").trim().to_owned();
            assert!(encoded.len() > 100, "{name} has no key");
            // A line of the PEM, and the same as it stands in the Secret.
            secrets.push(("a private key", encoded[60..120].to_owned()));
            let decoded = base64(&encoded);
            secrets.push(("a private key", decoded.lines().nth(1).expect("a line")[..40].to_owned()));
        }
        let client_key =
            us.kubectl(&["config", "view", "--raw", "-o", "jsonpath={.users[0].user.client-key-data}"]).expect("a key").trim().to_owned();
        secrets.push(("the kubeconfig's key", client_key[60..120].to_owned()));

        let mut places = vec![("the log".to_owned(), log)];
        for file in ["terraform.tfstate", "terraform.tfstate.backup"] {
            places.push((file.to_owned(), std::fs::read_to_string(workspace.path(file)).unwrap_or_default()));
        }
        for plan in ["plan", "second"] {
            places.push((format!("the plan file {plan}"), workspace.unpacked(plan)));
        }
        for (place, found) in &places {
            for (what, secret) in &secrets {
                assert!(!found.contains(secret), "{}: {what} is in {place}", cli.name);
            }
            // So that the search is known to find what is there.
            assert!(place.contains("backup") || found.contains("mesh_root_ca"), "{place} says nothing of the mesh");
        }
        workspace.destroy();
        eu.kubectl(&["delete", "clusterrolebinding", "terraform"]).expect("deleted");
        eu.kubectl(&["delete", "serviceaccount", "-n", "kube-system", "terraform"]).expect("deleted");
    }
}

fn base64(text: &str) -> String {
    let output = std::process::Command::new("sh").args(["-c", "printf %s \"$0\" | base64 -d", text]).output().expect("base64");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
