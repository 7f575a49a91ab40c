//! The released programs need nothing of the machine: they run in a folder in which there is nothing else, as in an image made from scratch.

use std::{fs, path::Path, process::Command};

use serde_json::Value as Json;

use super::dist::{self, run};
use crate::{
    fixture::{bare_clusters, example_of_one_cluster, variables},
    workspace::clis,
};

/// The API server's name, which only the name server knows.
const NAME: &str = "api.us.example";

#[test]
#[ignore = "needs `make dist-all` and the lab; a minute"]
fn a_mesh_is_applied_in_an_empty_container() {
    let lab = bare_clusters();
    let us = lab.cluster("us").expect("us");
    fs::write(lab.layout().hosts(), format!("{} {NAME}\n", us.name().address())).expect("a name");
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    for name in ["bin", "etc", "tmp", "dev", "proc", "configuration"] {
        fs::create_dir(root.join(name)).expect("a folder");
    }
    run(Command::new("mknod").arg(root.join("dev/null")).args(["-m", "666", "c", "1", "3"]));
    fs::copy(lab.layout().wan().join("resolv.conf"), root.join("etc/resolv.conf")).expect("a resolver");
    run(Command::new("cp").arg("-r").arg(dist::folder().join("mirror")).arg(root));
    fs::write(root.join("etc/cli.tfrc"), "provider_installation {\n  filesystem_mirror {\n    path = \"/mirror\"\n  }\n}\n")
        .expect("written");
    for cli in clis(&lab) {
        let work = root.join("configuration").join(cli.name);
        prepare(&lab, &cli, root, &work);
        let alone = |arguments: &[&str]| {
            let mut command = Command::new("unshare");
            command.args(["--mount", "--pid", "--fork", "--kill-child"]).arg(format!("--mount-proc={}", root.join("proc").display()));
            command
                .arg("chroot")
                .arg(root)
                .arg(format!("/bin/{}", cli.name))
                .arg(format!("-chdir=/configuration/{}", cli.name))
                .args(arguments);
            // The path is for finding unshare and chroot: inside, none of its folders exists.
            let path = std::env::var_os("PATH").expect("a path");
            run(command.env_clear().env("PATH", path).env("TF_CLI_CONFIG_FILE", "/etc/cli.tfrc").env("CHECKPOINT_DISABLE", "1"))
        };
        alone(&["init", "-no-color"]);
        let applied = alone(&["apply", "-auto-approve", "-no-color"]);
        assert!(applied.contains("3 added"), "{}: {applied}", cli.name);
        us.kubectl(&["-n", "istio-system", "wait", "--for=condition=Available", "deployment/istiod", "--timeout=10s"]).expect("istiod");
        trust_any(&work.join("kubeconfig"));
        alone(&["plan", "-detailed-exitcode", "-no-color"]);
        alone(&["destroy", "-auto-approve", "-no-color"]);
    }
    fs::write(lab.layout().hosts(), "").expect("no name");
}

/// Copies the CLI, the release, and the example of one cluster, which is reached by name and has its certificate checked.
fn prepare(lab: &mesh_lab::Lab, cli: &crate::workspace::Cli, root: &Path, work: &Path) {
    fs::copy(&cli.program, root.join("bin").join(cli.name)).expect("the CLI");
    let workspace = example_of_one_cluster(lab, cli, "us", None);
    fs::create_dir(work).expect("a folder");
    let us = lab.cluster("us").expect("us");
    let mut kubeconfig: Json = serde_json::from_slice(&fs::read(us.kubeconfig_path()).expect("a kubeconfig")).expect("JSON");
    let server = &mut kubeconfig["clusters"][0]["cluster"];
    server["server"] = format!("https://{NAME}:6443").into();
    server["tls-server-name"] = "kubernetes".into();
    fs::write(work.join("kubeconfig"), kubeconfig.to_string()).expect("written");
    let mut variables = variables(lab);
    variables["clusters"] = serde_json::json!({"us": {"config_path": "kubeconfig"}});
    // The helm program is the one beside the provider.
    variables["helm"].as_object_mut().expect("an object").remove("binary");
    fs::write(work.join("terraform.tfvars.json"), variables.to_string()).expect("written");
    for entry in fs::read_dir(workspace.path("")).expect("the workspace") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|ending| ending == "tf") {
            fs::copy(&path, work.join(path.file_name().expect("a name"))).expect("copied");
        }
    }
}

/// Has the API server's certificate no longer verified. There is no store of authorities to fall back on, nor need there be.
fn trust_any(kubeconfig: &Path) {
    let mut read: Json = serde_json::from_slice(&fs::read(kubeconfig).expect("a kubeconfig")).expect("JSON");
    let server = read["clusters"][0]["cluster"].as_object_mut().expect("a server");
    server.remove("certificate-authority-data").expect("an authority");
    server.insert("insecure-skip-tls-verify".to_owned(), true.into());
    fs::write(kubeconfig, read.to_string()).expect("written");
}
