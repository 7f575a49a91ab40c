//! The provider's settings for Helm, all at once: with Helm 4 in one cluster and, where the lab has built it, Helm 3 in the other.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use mesh_lab::Lab;

use crate::{
    fixture::{bare_clusters, example_of_one_cluster},
    inventory::{assert_unchanged, objects_of},
    workspace::{Cli, clis, unwrapped},
};

#[test]
fn releases_are_stored_patched_and_taken_over_as_the_provider_says() {
    let lab = bare_clusters();
    let clis = clis(&lab);
    let helms = [lab.binaries().helm, lab.binaries().helm3.unwrap_or_else(|| lab.binaries().helm)];
    // A cluster, a Helm and a CLI each, at the same time.
    std::thread::scope(|scope| {
        for ((cluster, cli), helm) in ["us", "eu"].into_iter().zip(clis.iter().cycle()).zip(&helms) {
            scope.spawn(|| settings_in(&lab, cli, cluster, helm));
        }
    });
}

/// A post-renderer that adds a ConfigMap to the release with istiod, named by its argument; or fails.
fn write_post_renderer(path: &Path, fails: bool) {
    let script = if fails {
        "#!/bin/sh\ncat >/dev/null\necho 'no such overlay' >&2\nexit 1\n"
    } else {
        "#!/bin/sh\nmanifests=$(cat)\nprintf '%s\\n' \"$manifests\"\ncase \"$manifests\" in *'kind: Deployment'*)\nprintf -- \
         '---\\napiVersion: v1\\nkind: ConfigMap\\nmetadata:\\n  name: %s\\ndata: {a: b}\\n' \"$1\";;\nesac\n"
    };
    fs::write(path, script).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("executable");
}

fn settings_in(lab: &Lab, cli: &Cli, cluster: &str, helm: &Path) {
    let live = lab.cluster(cluster).expect("a cluster");
    let before = objects_of(&live);
    // As `istioctl install` leaves it: an object of the chart that belongs to no release.
    live.kubectl(&["create", "namespace", "istio-system"]).expect("a namespace");
    live.kubectl(&["create", "serviceaccount", "-n", "istio-system", "istiod"]).expect("an account");

    let workspace = example_of_one_cluster(lab, cli, cluster, None);
    let renderer = workspace.path("a patch.sh");
    write_post_renderer(&renderer, true);
    let settings = format!(
        "merge(var.helm, {{\n    binary         = \"{}\"\n    driver         = \"configmap\"\n    max_history    = 2\n    take_ownership = true\n    \
         post_renderer  = {{ binary_path = \"{}\", args = [\"patched\"] }}\n    repositories   = {{ base = {{ repository = \"{}\", plain_http = true }} \
         }}\n  }})",
        helm.display(),
        renderer.display(),
        lab.charts().oci
    );
    workspace.edit("var.helm\n", &format!("{settings}\n"));
    workspace.edit(
        "values       = var.values.istiod",
        "values       = var.values.istiod\n  base_values  = [\"global: {enableReaderRBAC: false}\"]\n  namespace_labels = {\n    \
         \"pod-security.kubernetes.io/warn\" = \"privileged\"\n  }",
    );
    let failed = unwrapped(&workspace.fail(&["apply", "-auto-approve", "-no-color"]));
    assert!(failed.contains("`helm.post_renderer` failed") && failed.contains("no such overlay"), "{failed}");

    write_post_renderer(&renderer, false);
    workspace.apply();
    workspace.assert_settled();
    let releases =
        |kind: &str| live.kubectl(&["get", kind, "-n", "istio-system", "-l", "owner=helm", "-o", "name"]).expect("a list").lines().count();
    assert_eq!((releases("secrets"), releases("configmaps")), (0, 2), "{cluster}");
    let patched = ["get", "configmap", "-n", "istio-system", "patched", "-o", "jsonpath={.data.a}"];
    assert_eq!(live.kubectl(&patched).expect("the post-renderer's object"), "b");

    let namespace = || live.kubectl(&["get", "namespace", "istio-system", "-o", "jsonpath={.metadata.labels}"]).expect("the namespace");
    assert!(namespace().contains("\"pod-security.kubernetes.io/warn\":\"privileged\""), "{}", namespace());
    let accounts = live.kubectl(&["get", "serviceaccounts", "-n", "istio-system", "-o", "name"]).expect("a list");
    assert!(!accounts.contains("istio-reader-service-account"), "the base chart's values count: {accounts}");

    // More revisions than are kept; and a manual change of what the post-renderer adds is drift.
    workspace.edit("mtls_mode    = \"STRICT\"", "mtls_mode    = \"STRICT\"\n  dns_capture  = true");
    for capture in [false, true, false] {
        workspace.edit(&format!("dns_capture  = {}", !capture), &format!("dns_capture  = {capture}"));
        workspace.apply();
    }
    assert_eq!(releases("configmaps"), 3, "{cluster}: two revisions of istiod, and one of the base, of which nothing differed");
    live.kubectl(&["patch", "configmap", "-n", "istio-system", "patched", "-p", "{\"data\":{\"a\":\"c\"}}"]).expect("patched");
    assert!(workspace.changes().contains("ConfigMap istio-system/patched"), "{}", workspace.changes());
    workspace.apply();
    workspace.assert_settled();

    workspace.destroy();
    assert!(!namespace().contains("privileged") && !namespace().contains("topology.istio.io/network"), "{}", namespace());
    live.kubectl(&["delete", "namespace", "istio-system"]).expect("deleted");
    assert_unchanged(&[&live], &[before], "destroy");
}
