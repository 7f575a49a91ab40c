//! No private key and no token in state, plan file or the most talkative log.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::Mesh;
use crate::workspace::text;

pub(super) fn secrets_are_in_no_state_plan_or_log(mesh: &Mesh) {
    let Mesh { us, eu, workspace, .. } = mesh;
    let mut secrets = vec![("the token", mesh.token.clone())];
    for (cluster, name, key) in [(us, "mesh-root-ca", "tls\\.key"), (us, "cacerts", "ca-key\\.pem"), (eu, "cacerts", "ca-key\\.pem")] {
        let path = format!("jsonpath={{.data.{key}}}");
        let encoded = cluster.kubectl(&["get", "secret", "-n", "istio-system", name, "-o", &path]).expect("a Secret").trim().to_owned();
        assert!(encoded.len() > 100, "{name} has no key");
        // A line of the PEM, and the same as the Secret has it.
        secrets.push(("a private key", encoded[60..120].to_owned()));
        let decoded = String::from_utf8(STANDARD.decode(&encoded).expect("base64")).expect("PEM");
        secrets.push(("a private key", decoded.lines().nth(1).expect("a line")[..40].to_owned()));
    }
    let client_key = us.kubectl(&["config", "view", "--raw", "-o", "jsonpath={.users[0].user.client-key-data}"]).expect("a key");
    secrets.push(("the kubeconfig's key", client_key.trim()[60..120].to_owned()));

    let mut places = vec![("the log".to_owned(), mesh.trace.clone())];
    // An apply that nothing comes before leaves no backup; those of earlier tests may have.
    places.extend(["terraform.tfstate", "terraform.tfstate.backup"].map(|file| (file.to_owned(), workspace.read_if_there(file))));
    places.extend(["first", "second"].map(|plan| (format!("the plan file {plan}"), workspace.unpacked(plan))));
    for (place, found) in &places {
        for (what, secret) in &secrets {
            assert!(!found.contains(secret), "{}: {what} is in {place}", mesh.cli.name);
        }
        // The search would find what is there.
        assert!(place.contains("backup") || found.contains("mesh_root_ca"), "{place} says nothing of the mesh");
    }
    assert!(mesh.trace.contains("ApplyResourceChange"), "the log is not the most talkative one");
}

pub(super) fn write_only_helm_values_reach_the_cluster_and_nothing_else(mesh: &Mesh) {
    let Mesh { us, workspace, .. } = mesh;
    let before = workspace.read("main.tf");
    let values = "  values       = var.values.istiod";
    let private = |secret: &str, version: u32| {
        workspace.write("main.tf", &before);
        // From a file, as the plan file has the configuration in it.
        workspace.write("private", secret);
        let private = format!("values_wo = \"env: {{LAB_SECRET: ${{file(\"private\")}}}}\"\n  values_wo_version = {version}");
        workspace.edit(values, &format!("{values}\n  {private}"));
    };
    let variable = || {
        let path = "jsonpath={.spec.template.spec.containers[0].env[?(@.name==\"LAB_SECRET\")].value}";
        us.kubectl(&["get", "deployment", "-n", "istio-system", "istiod", "-o", path]).expect("istiod")
    };
    private("first-s3cret", 1);
    let plan = workspace.command(&["plan", "-no-color", "-out=with-private"]).env("TF_LOG", "trace").output().expect("the CLI starts");
    let apply = workspace.command(&["apply", "-no-color", "with-private"]).env("TF_LOG", "trace").output().expect("the CLI starts");
    assert!(plan.status.success() && apply.status.success(), "{}{}", text(&plan), text(&apply));
    assert_eq!(variable().trim(), "first-s3cret");
    workspace.assert_settled();
    let places = [
        ("the log", text(&plan) + &text(&apply)),
        ("the state", workspace.read("terraform.tfstate")),
        ("the plan file", workspace.unpacked("with-private")),
    ];
    for (place, found) in places {
        assert!(found.contains("mesh_cluster") && !found.contains("first-s3cret"), "{}: a write-only value is in {place}", mesh.cli.name);
    }
    // Without another version the CLI sees no change.
    private("second-s3cret", 1);
    workspace.assert_settled();
    private("second-s3cret", 2);
    workspace.apply();
    assert_eq!(variable().trim(), "second-s3cret");
    workspace.write("main.tf", &before);
    workspace.apply();
    assert_eq!(variable().trim(), "");
}
