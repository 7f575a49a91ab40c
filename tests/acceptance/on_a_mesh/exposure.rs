//! What of a cluster is discovered by others: what has a label, and what has a ServiceExport.

use mesh_lab::ClusterName;

use super::{
    Mesh,
    discovery::{DISCOVERY, EXPOSED, answered_by, with_one_service_of_both},
};
use crate::workspace::unwrapped;

pub(super) fn a_label_or_an_export_of_the_service_decides_what_is_discovered(mesh: &Mesh) {
    with_one_service_of_both(mesh, || {
        mesh.workspace.write("discovery.tf", DISCOVERY);
        mesh.workspace.apply();
        a_label_exposes_a_service_as_its_name_does(mesh);
        only_services_with_an_export_are_discovered(mesh);
    });
}

fn a_label_exposes_a_service_as_its_name_does(mesh: &Mesh) {
    let Mesh { us, eu, workspace, .. } = mesh;
    let (named, labelled) = (EXPOSED, "exposed_service_labels = { \"mesh.example.com/expose\" = \"true\" }");
    let label = |value: &str| {
        for cluster in [us, eu] {
            cluster.kubectl(&["label", "-n", "echo", "service/echo", &format!("mesh.example.com/expose{value}")]).expect("labelled");
        }
    };
    workspace.edit(named, labelled);
    workspace.apply();
    workspace.assert_settled();
    label("=true");
    let plan = unwrapped(&workspace.changes());
    assert!(plan.contains("mesh-exposed-istio-eastwestgateway: it is gone"), "{plan}");
    workspace.apply();
    workspace.assert_settled();
    answered_by(us, &[ClusterName::Us, ClusterName::Eu]);
    label("-");
    let plan = unwrapped(&workspace.changes());
    assert!(plan.contains("must be removed: no Service has the labels"), "{plan}");
    workspace.edit(labelled, named);
    workspace.apply();
    answered_by(us, &[ClusterName::Us, ClusterName::Eu]);
}

/// What istiod needs of the Multi-Cluster Services API: the kind ServiceExport, of which it reads no more than that an object exists.
const SERVICE_EXPORTS: &str = r"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: serviceexports.multicluster.x-k8s.io
  annotations: {api-approved.kubernetes.io: https://github.com/kubernetes/enhancements/pull/1748}
spec:
  group: multicluster.x-k8s.io
  scope: Namespaced
  names: {plural: serviceexports, singular: serviceexport, kind: ServiceExport}
  versions:
  - {name: v1alpha1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
";

fn only_services_with_an_export_are_discovered(mesh: &Mesh) {
    let Mesh { us, eu, workspace, .. } = mesh;
    let before = workspace.read("main.tf");
    let marks = "service_accounts = [\"echo\"]\n  mcs_service_export = true";
    workspace.edit("service_accounts = [\"echo\"]", marks);
    let refused = unwrapped(&workspace.fail(&["apply", "-auto-approve", "-no-color"]));
    assert!(refused.contains("The Multi-Cluster Services API is not installed"), "{refused}");
    workspace.write("main.tf", &before);
    workspace.apply();
    for cluster in [us, eu] {
        cluster.apply(SERVICE_EXPORTS).expect("a definition");
    }
    let told = "concat(var.values.istiod, [yamlencode({ env = { ENABLE_MCS_SERVICE_DISCOVERY = \"true\" } })])";
    workspace.edit("  values       = var.values.istiod\n", &format!("  values       = {told}\n"));
    workspace.apply();
    workspace.assert_settled();
    answered_by(us, &[ClusterName::Us]);
    answered_by(eu, &[ClusterName::Eu]);
    workspace.edit("service_accounts = [\"echo\"]", marks);
    workspace.apply();
    workspace.assert_settled();
    answered_by(us, &[ClusterName::Us, ClusterName::Eu]);
    answered_by(eu, &[ClusterName::Eu]);
    eu.kubectl(&["delete", "serviceexports.multicluster.x-k8s.io", "-n", "echo", "echo"]).expect("deleted");
    answered_by(us, &[ClusterName::Us]);
    let plan = unwrapped(&workspace.changes());
    assert!(plan.contains("ServiceExport echo/echo: it is gone"), "{plan}");
    workspace.apply();
    answered_by(us, &[ClusterName::Us, ClusterName::Eu]);
    workspace.edit(marks, "service_accounts = [\"echo\"]");
    workspace.apply();
    answered_by(us, &[ClusterName::Us]);

    workspace.write("main.tf", &before);
    workspace.apply();
    answered_by(us, &[ClusterName::Us, ClusterName::Eu]);
    for cluster in [us, eu] {
        cluster.kubectl(&["delete", "customresourcedefinition", "serviceexports.multicluster.x-k8s.io"]).expect("deleted");
    }
}
