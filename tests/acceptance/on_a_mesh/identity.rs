//! Another cluster under the key of one, and clusters that are gone for good.

use super::Mesh;

/// In place of each cluster the other one answers: its "not found" must forget nothing.
pub(super) fn another_cluster_of_the_same_key_is_refused(mesh: &Mesh) {
    let swapped = mesh.workspace.copy();
    let (us, eu) = (mesh.us.kubeconfig_path(), mesh.eu.kubeconfig_path());
    swapped.edit(&us.display().to_string(), &eu.display().to_string());
    let uid = |cluster: &mesh_lab::Cluster| {
        cluster.kubectl(&["get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"]).expect("a UID").trim().to_owned()
    };
    for run in [&["plan", "-no-color"][..], &["destroy", "-auto-approve", "-no-color", "-refresh=false"]] {
        let refused = swapped.fail(run);
        assert!(refused.contains("Cluster \"us\" is another cluster"), "{run:?}: {refused}");
        assert!(refused.contains(&uid(&mesh.us)) && refused.contains(&uid(&mesh.eu)), "{run:?}: {refused}");
    }
    assert!(!swapped.resources().is_empty());
    // What is in the other cluster is still there; the destroy has removed what is in the EU under its own key.
    mesh.workspace.apply();
}

/// Nothing answers at the addresses of both clusters, and the configuration lets them be forgotten.
pub(super) fn lost_clusters_are_forgotten_by_a_destroy_if_the_configuration_says_so(mesh: &Mesh) {
    let lost = mesh.workspace.copy();
    let main = lost.read("main.tf");
    let begin = main.find("clusters = {").expect("the clusters");
    let end = begin + main[begin..].find("\n  helm").expect("the end of the clusters");
    let access = |flag: &str| {
        let entry = |key: &str| format!("    {key} = {{ host = \"https://127.0.0.1:1\", insecure = true, token = \"x\"{flag} }}\n");
        format!("clusters = {{\n{}{}  }}", entry("us"), entry("eu"))
    };
    let with = |flag: &str| format!("{}{}{}", &main[..begin], access(flag), &main[end..]);
    lost.write("main.tf", &with(""));
    let before = lost.resources().len();
    lost.fail(&["destroy", "-auto-approve", "-no-color"]);
    assert_eq!(lost.resources().len(), before, "an error forgets nothing");
    lost.write("main.tf", &with(", forget_unreachable = true"));
    let destroyed = crate::workspace::unwrapped(&lost.destroy());
    assert!(destroyed.contains("Objects are left behind"), "{destroyed}");
    assert!(destroyed.contains("the Helm releases istiod and istio-base in namespace istio-system"), "{destroyed}");
    assert_eq!(lost.resources().len(), 0);
}
