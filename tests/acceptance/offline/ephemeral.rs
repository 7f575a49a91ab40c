//! Secrets that the provider's configuration gets from an ephemeral variable.

use crate::{
    fixture::{REQUIREMENT, lab},
    workspace::{Workspace, clis, text},
};

const PASSWORD: &str = "correct-horse-battery-staple";

#[test]
fn a_password_of_the_charts_repository_is_in_no_plan() {
    let lab = lab();
    let helm = lab.binaries().helm.display().to_string();
    let configuration = format!(
        r#"
        {REQUIREMENT}
        variable "password" {{
          type      = string
          sensitive = true
          ephemeral = true
        }}
        provider "mesh" {{
          clusters = {{ eu = {{ host = "https://127.0.0.1:1", token = "t" }} }}
          helm     = {{ binary = "{helm}", repository = "https://charts.example.com", username = "ann", password = var.password }}
        }}
        resource "mesh_cluster" "eu" {{
          cluster = "eu"
          mesh_id = "m"
          network = "eu-net"
        }}
        "#
    );
    for cli in clis(&lab) {
        let workspace = Workspace::new(&cli, &configuration);
        let planned = |is_ephemeral: bool| {
            let output =
                workspace.command(&["plan", "-no-color", "-out=plan"]).env("TF_VAR_password", PASSWORD).output().expect("the CLI starts");
            assert!(output.status.success(), "{}: {}", cli.name, text(&output));
            assert_eq!(
                workspace.unpacked("plan").contains(PASSWORD),
                !is_ephemeral,
                "{}: the plan has the password, or it has not",
                cli.name
            );
        };
        planned(true);
        // The search would find it: any other variable is in the plan.
        workspace.edit("ephemeral = true", "ephemeral = false");
        planned(false);

        // What is stored takes no ephemeral value: Helm values are in the state.
        workspace.edit("ephemeral = false", "ephemeral = true");
        workspace.edit("network = \"eu-net\"", "network = \"eu-net\"\n          values  = [var.password]");
        let output = workspace.command(&["plan", "-no-color"]).env("TF_VAR_password", PASSWORD).output().expect("the CLI starts");
        let printed = text(&output);
        assert!(!output.status.success() && printed.contains("ephemeral") && !printed.contains(PASSWORD), "{}: {printed}", cli.name);
    }
}
