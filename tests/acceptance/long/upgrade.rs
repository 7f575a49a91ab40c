//! From one minor version of Istio to the next, as docs/guides/upgrading-istio.md has it, under traffic in both directions.

use std::collections::BTreeMap;

use mesh_lab::{Charts, Cluster};
use serde_json::json;

use super::mesh::{Changes, Mesh};
use crate::{
    traffic::{Traffic, restart_workloads_of},
    workspace::{Workspace, clis, unwrapped},
};

/// The versions of both clusters' control planes and gateways come from a file that each stage writes.
fn parameterize(workspace: &Workspace) {
    workspace.edit(
        "  values       = var.values.istiod\n",
        "  istio_version = local.versions.control_planes[each.key]\n  values = concat(var.values.istiod, [yamlencode({ global = { tag = \
         local.tags[local.versions.control_planes[each.key]] } })])\n",
    );
    workspace
        .edit("  values   = var.values.gateway\n", "  istio_version = local.versions.gateways[each.key]\n  values = var.values.gateway\n");
}

/// Writes the versions: of the control planes of the US and the EU, and of their gateways.
fn set(workspace: &Workspace, charts: &Charts, control_planes: [&str; 2], gateways: [&str; 2]) {
    let of = |[us, eu]: [&str; 2]| json!({"us": us, "eu": eu});
    let tags: BTreeMap<_, _> = [(charts.version, "dev"), (older(charts), "older")].into();
    let locals = json!({"locals": {
        "versions": {"control_planes": of(control_planes), "gateways": of(gateways)},
        "tags": tags,
    }});
    workspace.write("versions.tf.json", &locals.to_string());
}

pub(super) fn older(charts: &Charts) -> &'static str {
    charts.older_version.expect("an older Istio; `lab build istio-older` and `lab up` make one")
}

/// The versions that the proxies of a cluster's workloads have, by their own account.
pub(super) fn proxy(cluster: &Cluster, namespace: &str, deployment: &str) -> String {
    let version = ["exec", "-n", namespace, deployment, "-c", "istio-proxy", "--", "pilot-agent", "version", "--short"];
    cluster.kubectl(&version).expect("a version").trim().to_owned()
}

#[test]
#[ignore = "takes several minutes, and needs an older Istio"]
fn a_minor_version_is_upgraded_under_traffic() {
    for cli in clis(&crate::fixture::lab()) {
        let Mesh { lab, us, eu, workspace } = Mesh::prepared(&cli, |workspace, charts| {
            parameterize(workspace);
            let old = older(charts);
            set(workspace, charts, [old, old], [old, old]);
        });
        let charts = lab.charts();
        let (old, new) = (older(&charts), charts.version);
        workspace.assert_settled();
        assert!(proxy(&us, "echo", "deploy/client").contains(old));

        let mut changes = Changes::under(Traffic::start_both_ways(&lab));
        changes.make("nothing", || {});
        let upgrade = |control_planes, gateways| {
            set(&workspace, &charts, control_planes, gateways);
            let plan = unwrapped(&workspace.changes());
            assert!(plan.contains(&format!("\"{old}\" -> \"{new}\"")) && plan.contains("1 to change, 0 to destroy"), "{plan}");
            workspace.apply();
            workspace.assert_settled();
        };
        changes.make("the control plane of the US upgraded", || upgrade([new, old], [old, old]));
        // Connections through a gateway are cut when its old pod ends, and a call that is sent on one at that moment is lost.
        changes.make_with_loss("the gateway of the US upgraded", || upgrade([new, old], [new, old]));
        changes.make("the control plane of the EU upgraded", || upgrade([new, new], [new, old]));
        changes.make_with_loss("the gateway of the EU upgraded", || upgrade([new, new], [new, new]));
        changes.finish();

        // Sidecars come last: a client that restarts makes no calls, so this isn't under its traffic.
        restart_workloads_of(&us);
        restart_workloads_of(&eu);
        for (cluster, namespace, deployment) in [
            (&us, "echo", "deploy/client"),
            (&eu, "echo", "deploy/echo"),
            (&us, "istio-system", "deploy/istio-eastwestgateway"),
            (&eu, "istio-system", "deploy/istio-eastwestgateway"),
        ] {
            let found = proxy(cluster, namespace, deployment);
            assert!(found.contains(new), "{} {deployment}: {found}", cluster.name());
        }
        let mut after = Changes::under(Traffic::start_both_ways(&lab));
        after.make("everything upgraded", || {});
        after.finish();
        workspace.destroy();
    }
}
