//! Public configurations that install Istio on several clusters by other means, written with this provider: each can be planned, or is refused
//! with what to do. What they can't say is in docs/guides/limits.md.

use crate::{
    fixture::{REQUIREMENT, lab},
    workspace::{Workspace, clis, unwrapped},
};

/// A file of `public/`, the exit status of its plan, and what the plan prints.
const CONFIGURATIONS: &[(&str, bool, &[&str])] = &[
    (
        "eks-blueprints-first",
        true,
        &["gateways has no effect", "labels.\"topology.istio.io/network\" has no effect", "service.ports has no effect", "4 to add"],
    ),
    ("eks-blueprints-second", true, &["2 to add"]),
    ("eoneoff", true, &["ISTIO_META_REQUESTED_NETWORK_VIEW breaks calls", "1 to add"]),
    ("silazare", true, &["2 to add"]),
    ("dex4er", true, &["service.ports has no effect", "240.0.0.1", "2 to add"]),
    ("dex4er-host", false, &["is not a valid host of an exported service"]),
    ("scaleoutllc", true, &["global.mesh_id has no effect", "31443", "2 to add"]),
    ("scaleoutllc-revision", false, &["revision is not supported"]),
    ("zioproto", true, &["azure-load-balancer-internal-subnet", "2 to add"]),
    ("kcwan18", true, &["aws-load-balancer-proxy-protocol\" breaks calls", "1 to add"]),
    ("agones", true, &["1 to add"]),
    ("istio-csr", true, &["4 to add"]),
    ("elliotechne", true, &["1 to add"]),
    ("istio-59600", true, &["1 to add"]),
    ("solo", true, &["1.31.0-solo", "1 to add"]),
];

fn provider(helm: &str) -> String {
    let cluster = |name: &str| {
        format!(
            "    {name} = {{\n      host = \"https://{name}.example.com\"\n      exec = {{\n        api_version = \"client.authentication.k8s.io/v1beta1\"\n        \
             command     = \"aws\"\n        args        = [\"eks\", \"get-token\", \"--cluster-name\", \"{name}\"]\n      }}\n    }}\n"
        )
    };
    let clusters = [cluster("us"), cluster("eu")].concat();
    format!("{REQUIREMENT}provider \"mesh\" {{\n  clusters = {{\n{clusters}  }}\n  helm = {{ binary = \"{helm}\" }}\n}}\n")
}

#[test]
fn public_configurations_are_planned_or_refused_with_what_to_do() {
    let lab = lab();
    let folder = crate::fixture::source("tests/acceptance/offline/public");
    let files = std::fs::read_dir(&folder).expect("the configurations").count();
    assert_eq!(files, CONFIGURATIONS.len(), "each file is in the list");
    let mut faults = Vec::new();
    for cli in clis(&lab) {
        for (name, is_planned, words) in CONFIGURATIONS {
            let workspace = Workspace::new(&cli, &provider(&lab.binaries().helm.display().to_string()));
            workspace.write("public.tf", &std::fs::read_to_string(folder.join(format!("{name}.tf"))).expect("a configuration"));
            let output = workspace.run(&["plan", "-no-color"]);
            let printed = unwrapped(&crate::workspace::text(&output));
            let missing: Vec<_> = words.iter().filter(|words| !printed.contains(**words)).collect();
            if output.status.success() != *is_planned || !missing.is_empty() {
                faults.push(format!("{} {name}: {}, without {missing:?}:\n{printed}", cli.name, output.status));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}
