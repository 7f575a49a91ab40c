//! A new version of Istio tried by some workloads and a gateway first, as docs/guides/upgrading-istio.md has it, under traffic in both directions.

use mesh_lab::Charts;
use serde_json::{Value as Json, json};

use super::{
    mesh::{Changes, Mesh},
    upgrade::{older, proxy},
};
use crate::{
    on_a_mesh::canary::move_echo,
    traffic::Traffic,
    workspace::{Workspace, clis, unwrapped},
};

/// The EU's versions, canary and gateway come from a file that each stage writes; the US keeps the older version.
fn parameterize(workspace: &Workspace) {
    workspace.edit(
        "  values       = var.values.istiod\n",
        "  istio_version = local.stage[each.key].version\n  canary = local.stage[each.key].canary\n  values = concat(var.values.istiod, \
         [local.stage[each.key].images])\n",
    );
    workspace.edit(
        "  values   = var.values.gateway\n",
        "  istio_version = local.stage[each.key].gateway\n  revision = local.stage[each.key].revision\n  values = var.values.gateway\n",
    );
}

/// What a stage is about: the version of the EU's istiod, whether there is a canary, and whether the gateway is the canary's.
#[derive(Clone, Copy)]
struct Stage<'a> {
    version: &'a str,
    has_canary: bool,
    gateway: &'a str,
    is_moved: bool,
}

impl Stage<'_> {
    fn write(self, workspace: &Workspace, charts: &Charts) {
        let old = older(charts);
        let images = |version: &str| format!("global: {{tag: {}}}", if version == old { "older" } else { "dev" });
        let canary =
            json!({"revision": "next", "istio_version": charts.version, "values": [images(charts.version), "revisionTags: [trial]"]});
        let none = Json::Null;
        let eu = json!({
            "version": self.version, "images": images(self.version), "canary": if self.has_canary { canary } else { none.clone() },
            "gateway": self.gateway, "revision": if self.is_moved { json!("trial") } else { none.clone() },
        });
        let us = json!({"version": old, "images": images(old), "canary": none, "gateway": old, "revision": none});
        workspace.write("stage.tf.json", &json!({"locals": {"stage": {"us": us, "eu": eu}}}).to_string());
    }
}

#[test]
#[ignore = "takes several minutes, and needs an older Istio"]
fn a_canary_takes_workloads_and_a_gateway_to_a_new_version() {
    for cli in clis(&crate::fixture::lab()) {
        let before = |old| Stage { version: old, has_canary: false, gateway: old, is_moved: false };
        let Mesh { lab, eu, workspace, .. } = Mesh::prepared(&cli, |workspace, charts| {
            parameterize(workspace);
            before(older(charts)).write(workspace, charts);
        });
        let charts = lab.charts();
        let (old, new) = (older(&charts), charts.version);
        let before = before(old);

        let apply = |stage: Stage<'_>| {
            stage.write(&workspace, &charts);
            let plan = unwrapped(&workspace.changes());
            assert!(plan.contains("1 to change, 0 to destroy"), "{plan}");
            workspace.apply();
            workspace.assert_settled();
        };
        let gateway = || proxy(&eu, "istio-system", "deploy/istio-eastwestgateway");
        let echo = || proxy(&eu, "echo", "deploy/echo");
        let mut changes = Changes::under(Traffic::start_both_ways(&lab));
        changes.make("nothing", || {});
        let with_canary = Stage { has_canary: true, ..before };
        changes.make("a canary installed in the EU", || apply(with_canary));
        assert!(echo().contains(old) && gateway().contains(old), "nothing has moved: {} {}", echo(), gateway());
        // Its only pod ends with calls in flight.
        changes.make_with_loss("echo of the EU moved to it", || move_echo(&eu, ["istio-injection-", "istio.io/rev=next"]));
        assert!(echo().contains(new), "{}", echo());
        let moved = Stage { gateway: new, is_moved: true, ..with_canary };
        // Connections through a gateway are cut when its old pod ends, and a call that is sent on one at that moment is lost.
        changes.make_with_loss("the gateway of the EU moved to it", || apply(moved));
        assert!(gateway().contains(new), "{}", gateway());

        // Neither pods nor a gateway of the canary may lose it.
        before.write(&workspace, &charts);
        let refusal = workspace.fail(&["apply", "-auto-approve", "-no-color"]);
        for said in ["The canary is in use", "Namespace echo", "Pod echo/echo-"] {
            assert!(refusal.contains(said), "{said} is missing in:\n{refusal}");
        }
        apply_again(&workspace, moved, &charts);

        let upgraded = Stage { version: new, ..moved };
        changes.make("istiod of the EU upgraded beside it", || apply(upgraded));
        changes.make_with_loss("echo of the EU moved back", || move_echo(&eu, ["istio.io/rev-", "istio-injection=enabled"]));
        let back = Stage { is_moved: false, ..upgraded };
        changes.make_with_loss("the gateway of the EU moved back", || apply(back));
        changes.make("the canary removed", || apply(Stage { has_canary: false, ..back }));
        assert!(echo().contains(new) && gateway().contains(new), "{} {}", echo(), gateway());
        changes.finish();
        for kind in ["deployment", "service", "configmap", "mutatingwebhookconfiguration", "validatingwebhookconfiguration", "clusterrole"]
        {
            let left = eu.kubectl(&["get", kind, "-A", "-l", "istio.io/rev=next", "-o", "name"]).expect("a list");
            assert_eq!(left.trim(), "", "of the canary");
        }
        workspace.destroy();
    }
}

/// After a refusal nothing is different.
fn apply_again(workspace: &Workspace, stage: Stage<'_>, charts: &Charts) {
    stage.write(workspace, charts);
    workspace.apply();
    workspace.assert_settled();
}
