//! The policies of `examples/ci` read real plans: one that all of them accept, and for each of them one that it refuses.

use std::{
    fs,
    process::{Command, Output},
};

use super::dist::run;
use crate::{
    fixture::{REQUIREMENT, lab, source},
    offline::installed::state::example_of_an_older_build,
    workspace::{Workspace, clis, text},
};

/// A mesh that no policy refuses.
const MESH: &str = r#"
provider "mesh" {
  clusters = {
    us = { host = "https://us.example.com", token = "none" }
    eu = { host = "https://eu.example.com", token = "none" }
  }
  helm = { version = "1.31.0", binary = "HELM" }
}

resource "mesh_cluster" "eu" {
  cluster   = "eu"
  mesh_id   = "shop"
  network   = "eu-net"
  mtls_mode = "STRICT"
}

resource "mesh_eastwest_gateway" "eu" {
  cluster          = mesh_cluster.eu.cluster
  network          = mesh_cluster.eu.network
  exposed_services = ["shop/echo"]
}

resource "mesh_service_export" "echo" {
  host             = "echo.eu.mesh.local"
  gateway          = mesh_eastwest_gateway.eu
  namespace        = "echo"
  service          = "echo"
  service_accounts = ["echo"]
  callers          = [provider::mesh::spiffe_id("corp.local", "shop", "cart")]
  importers        = ["us"]
}

resource "terraform_data" "manifest" {
  input = { hosts = ["*.mesh.local"] }
}
"#;

/// What is replaced in it, by what, and what is said then.
const CASES: &[(&str, &str, &str)] = &[
    ("service_accounts = [\"echo\"]", "service_accounts = []", "service_accounts must name who answers for echo.eu.mesh.local"),
    (
        "callers          = [provider::mesh::spiffe_id(\"corp.local\", \"shop\", \"cart\")]",
        "",
        "callers must name who may call echo.eu.mesh.local",
    ),
    ("\"STRICT\"", "\"PERMISSIVE\"", "mtls_mode must be STRICT"),
    ("mtls_mode = \"STRICT\"", "", "mtls_mode must be STRICT"),
    ("[\"shop/echo\"]", "[\"shop/*\"]", "exposed_services must name Services, not all of a namespace (shop/*)"),
    ("*.mesh.local", "*.local", "input.hosts.0 has *.local, which opens a gateway for every Service of a cluster"),
    ("hosts = [\"*.mesh.local\"]", "mode = \"PERMISSIVE\"", "input.mode has PERMISSIVE, which accepts calls in plain text"),
    ("mtls_mode = \"STRICT\"", "mtls_mode = \"STRICT\"\n  delete_crds = true", "delete_crds must be false"),
    ("helm = { version = \"1.31.0\", ", "helm = { ", "istio_version or the provider's helm.version must be set"),
    ("eu.example.com\", token", "eu.example.com\", insecure = true, token", "provider mesh: a cluster is insecure"),
];

/// What the policies say of a plan file.
fn conftest(workspace: &Workspace, plan: &[&str]) -> Output {
    workspace.succeed(&[plan, &["-no-color", "-out=plan"]].concat());
    workspace.write("plan.json", &workspace.succeed(&["show", "-json", "plan"]));
    let mut conftest = workspace.command_of(&source("target/tools/bin/conftest"));
    conftest.args(["test", "--no-color", "--policy"]).arg(source("examples/ci/policies")).arg("plan.json");
    conftest.output().expect("conftest, which `make dist` builds")
}

#[test]
#[ignore = "needs `make dist-all`; seconds"]
fn each_policy_refuses_a_real_plan_and_accepts_another() {
    let lab = lab();
    let mesh = format!("{REQUIREMENT}{}", MESH.replace("HELM", &lab.binaries().helm.display().to_string()));
    for cli in clis(&lab) {
        let accepted = conftest(&Workspace::new(&cli, &mesh), &["plan"]);
        assert!(accepted.status.success() && text(&accepted).contains(" 0 failures"), "{}: {}", cli.name, text(&accepted));
        for (from, to, message) in CASES {
            let workspace = Workspace::new(&cli, &mesh);
            workspace.edit(from, to);
            let refused = conftest(&workspace, &["plan"]);
            let printed = text(&refused);
            assert!(!refused.status.success() && printed.contains(message), "{} doesn't say {message:?}:\n{printed}", cli.name);
            let others: Vec<_> = printed.lines().filter(|line| line.starts_with("FAIL") && !line.contains(message)).collect();
            assert!(others.is_empty(), "{} with {to:?} fails otherwise, too: {others:?}", cli.name);
        }
        // A CA that is there already.
        let workspace = example_of_an_older_build(&cli, &lab.binaries().helm);
        let refused = text(&conftest(&workspace, &["plan", "-destroy", "-refresh=false"]));
        assert_eq!(refused.matches("a certificate authority must not be replaced or deleted").count(), 3, "{}: {refused}", cli.name);
    }
}

/// The messages of the file are all in a case, so that none is forgotten.
#[test]
fn each_policy_has_a_plan_that_it_refuses() {
    let policies = fs::read_to_string(source("examples/ci/policies/mesh.rego")).expect("the policies");
    let denials = policies.split("\ndeny contains message if {").skip(1);
    for denial in denials {
        let (_, message) = denial.split_once("message := sprintf(\"").expect("a message");
        let template = message.split('"').next().expect("a template");
        // The longest part that isn't filled in.
        let fixed = template.split("%s").max_by_key(|part| part.len()).expect("a part").trim_matches([':', ' ', '(']);
        let is_refused = CASES.iter().any(|(.., said)| said.contains(fixed)) || fixed.contains("certificate authority");
        assert!(is_refused || fixed.contains(", which"), "no case has {fixed:?}");
    }
}

#[test]
#[ignore = "needs `make dist-all`; seconds"]
fn the_policies_pass_their_tests() {
    let printed = run(Command::new(source("target/tools/bin/conftest")).args(["verify", "--policy"]).arg(source("examples/ci/policies")));
    assert!(printed.contains(" 0 failures"), "{printed}");
}
