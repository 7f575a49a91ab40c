//! What only a cluster can refuse: each input is refused by an apply with the reason and the way out, and leaves nothing behind.

use super::Mesh;
use crate::{
    inventory::{assert_unchanged, objects_of},
    workspace::{Workspace, unwrapped},
};

/// Services that can't be exported, an API that refuses, a host that is known, and room for nothing.
const SCENE: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: refusals}
---
apiVersion: v1
kind: Service
metadata: {name: headless, namespace: refusals}
spec: {clusterIP: None, selector: {app: any}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: elsewhere, namespace: refusals}
spec: {type: ExternalName, externalName: example.com}
---
apiVersion: v1
kind: Service
metadata: {name: selectorless, namespace: refusals}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: datagrams, namespace: refusals}
spec: {selector: {app: any}, ports: [{name: dns, port: 53, protocol: UDP}]}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: powerless, namespace: refusals}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: nothing, namespace: refusals}
spec: {hard: {pods: "0"}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: taken, namespace: refusals}
spec: {hosts: [taken.mesh.local], location: MESH_EXTERNAL, resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: no-denied-hosts.example.com}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
    - {apiGroups: [networking.istio.io], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [serviceentries]}
  validations:
  - expression: "!object.spec.hosts.exists(host, host.startsWith('denied.'))"
    message: "the platform team reserves denied.*"
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: no-denied-hosts.example.com}
spec: {policyName: no-denied-hosts.example.com, validationActions: [Deny]}
"#;

/// The export of a Service, with further attributes.
fn export(host: &str, namespace: &str, service: &str, more: &str) -> String {
    format!(
        r#"
        resource "mesh_service_export" "bad" {{
          host      = "{host}"
          gateway   = {{ cluster = "eu", namespace = "istio-system", name = "istio-eastwestgateway", addresses = ["198.51.100.130"] }}
          namespace = "{namespace}"
          service   = "{service}"
          importers = ["us"]
          {more}
        }}
        "#
    )
}

fn gateway(more: &str) -> String {
    format!(
        "resource \"mesh_eastwest_gateway\" \"bad\" {{\n  cluster = \"eu\"\n  network = \"eu-net\"\n  name = \"bad-gateway\"\n  {more}\n}}\n"
    )
}

/// An access to the EU in place of that of the administrator, and a resource that uses it.
fn as_user(mesh: &Mesh, access: &str) -> String {
    let provider = format!("provider \"mesh\" {{\n  alias = \"other\"\n  clusters = {{ eu = {{ {access} }} }}\n}}\n");
    let host = mesh.eu.name().server();
    let root = "resource \"mesh_root_ca\" \"bad\" {\n  provider = mesh.other\n  cluster = \"eu\"\n  namespace = \"refusals\"\n}\n";
    format!("{}{root}", provider.replace("HOST", &host))
}

/// A configuration, and the words that its refusal must have.
type Case = (String, &'static [&'static str]);

fn cases(mesh: &Mesh) -> Vec<Case> {
    let eu = &mesh.eu;
    let token = eu.kubectl(&["create", "token", "-n", "refusals", "powerless", "--duration=1h"]).expect("a token");
    let token = token.trim();
    vec![
        (export("ecko.eu.mesh.local", "echo", "ecko", ""), &["No such Service", "has the Services `echo`", "service = \"ecko\""]),
        (export("a.mesh.local", "nowhere", "echo", ""), &["No such Service", "nowhere"]),
        (export("a.mesh.local", "refusals", "headless", ""), &["Service can't be exported", "headless"]),
        (export("a.mesh.local", "refusals", "elsewhere", ""), &["Service can't be exported", "ExternalName"]),
        (export("a.mesh.local", "refusals", "selectorless", ""), &["Service can't be exported", "selector"]),
        (export("a.mesh.local", "refusals", "datagrams", ""), &["Service can't be exported", "has no TCP port"]),
        (export("denied.mesh.local", "echo", "echo", ""), &["no-denied-hosts.example.com", "the platform team reserves denied.*", "\"eu\""]),
        (export("a.mesh.local", "echo", "echo", "importer_namespace = \"nowhere\""), &["nowhere", "\"us\""]),
        (export("echo.eu.mesh.local", "echo", "echo", ""), &["Already exists", "echo.eu.mesh.local"]),
        (
            r#"resource "mesh_service_import" "bad" {
                 cluster = "us"
                 service = { host = "echo.eu.mesh.local", address = "240.0.0.2", identities = [], gateway_addresses = ["198.51.100.130"],
                             ports = [{ number = 80, name = "http", protocol = "HTTP" }] }
               }"#
            .to_owned(),
            &["Host is known in the cluster already", "echo.eu.mesh.local"],
        ),
        (
            "resource \"mesh_link\" \"bad\" {\n  cluster = \"us\"\n  network = \"eu-net\"\n  addresses = [\"198.51.100.130\"]\n}\n".to_owned(),
            &["The Gateway API is not installed", "\"us\""],
        ),
        (
            "resource \"mesh_root_ca\" \"bad\" {\n  cluster = \"us\"\n}\n".to_owned(),
            &["Already exists", "terraform import mesh_root_ca.<name> us/istio-system/mesh-root-ca"],
        ),
        (
            "resource \"mesh_cluster\" \"bad\" {\n  cluster = \"us\"\n  network = \"us-net\"\n  mesh_id = \"training-mesh\"\n}\n".to_owned(),
            &["Already exists", "terraform import mesh_cluster.<name> us"],
        ),
        (
            "resource \"mesh_remote_secret\" \"bad\" {\n  cluster = \"us\"\n  remote = { cluster = \"eu\" }\n  service_account = \"nobody\"\n}\n"
                .to_owned(),
            &["The reader's account is missing", "nobody"],
        ),
        (gateway("istio_version = \"1.31.77\""), &["1.31.77", "istio_version"]),
        (gateway("values = [\"resources: {requests: {cpu: much}}\"]"), &["much", "\"eu\""]),
        (
            gateway("namespace = \"refusals\"\n  values = [\"autoscaling: {enabled: false}\"]\n  timeouts = { create = \"30s\" }"),
            &["exceeded quota: nothing", "refusals"],
        ),
        (as_user(mesh, &format!("host = \"HOST\", insecure = true, token = \"{token}\"")), &["powerless", "secrets", "refusals", "Least privilege"]),
        (as_user(mesh, "host = \"HOST\", insecure = true, token = \"of-yesterday\""), &["rejected the credentials", "\"eu\""]),
        (as_user(mesh, &format!("host = \"HOST\", token = \"{token}\"")), &["certificate", "\"eu\""]),
        (as_user(mesh, "host = \"https://api.nowhere.invalid:6443\", token = \"x\""), &["api.nowhere.invalid", "\"eu\""]),
    ]
}

pub(super) fn what_a_cluster_refuses_is_explained_and_leaves_nothing_behind(mesh: &Mesh) {
    let Mesh { us, eu, .. } = mesh;
    eu.apply(SCENE).expect("applied");
    // Istiod adds its root to a new namespace once it is the leader, which takes it a minute after the API server was away.
    for root in ["configmap/kube-root-ca.crt", "configmap/istio-ca-root-cert"] {
        eu.kubectl(&["wait", "-n", "refusals", "--for=create", root, "--timeout=120s"]).expect("the namespace is complete");
    }
    // An admission policy counts a moment after it was written.
    std::thread::sleep(std::time::Duration::from_secs(2));
    let before = [objects_of(us), objects_of(eu)];
    let mut wrong = Vec::new();
    for (configuration, words) in cases(mesh) {
        let workspace: Workspace = mesh.beside(&configuration);
        let refused = unwrapped(&workspace.fail(&["apply", "-auto-approve", "-no-color"]));
        let missing: Vec<_> = words.iter().filter(|words| !refused.contains(**words)).collect();
        if !missing.is_empty() {
            wrong.push(format!("{configuration}\nis refused without {missing:?}:\n{refused}\n"));
        }
        // A create that failed half-way is in the state, and goes with it.
        workspace.destroy();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_unchanged(&[us, eu], &before, "a refused apply and its destroy");
    for kind in ["validatingadmissionpolicybinding", "validatingadmissionpolicy"] {
        eu.kubectl(&["delete", kind, "no-denied-hosts.example.com"]).expect("deleted");
    }
    eu.kubectl(&["delete", "namespace", "refusals"]).expect("deleted");
}
