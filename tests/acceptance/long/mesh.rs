//! A mesh in which each cluster exports `echo` to the other.

use mesh_lab::{Charts, Cluster, ClusterName, client_manifest, echo_manifest};

use crate::{
    fixture::{Timed, bare_clusters, both, example},
    traffic::{Traffic, restart_workloads},
    workspace::{Cli, Workspace},
};

/// The export of the US; the example has that of the EU.
pub(crate) const BACK: &str = r#"
resource "mesh_service_export" "back" {
  host             = "echo.us.mesh.local"
  gateway          = mesh_eastwest_gateway.this["us"]
  namespace        = "echo"
  service          = "echo"
  service_accounts = ["echo"]
  importers        = [mesh_cluster.this["eu"].cluster]
}
"#;

/// The mesh, and the configuration that it was applied from.
pub(crate) struct Mesh {
    pub(crate) lab: Timed,
    pub(crate) us: Cluster,
    pub(crate) eu: Cluster,
    pub(crate) workspace: Workspace,
}

impl Mesh {
    /// Makes it from bare clusters.
    pub(crate) fn bring_up(cli: &Cli) -> Self {
        Self::prepared(cli, |_, _| {})
    }

    /// Makes it from bare clusters, of a configuration that is prepared before it is applied.
    pub(crate) fn prepared(cli: &Cli, prepare: impl FnOnce(&Workspace, &Charts)) -> Self {
        let lab = bare_clusters();
        let (us, eu) = both(&lab);
        us.apply(&echo_manifest(ClusterName::Us)).expect("echo");
        eu.apply(client_manifest()).expect("client");
        let workspace = example(&lab, cli).with("back.tf", BACK);
        prepare(&workspace, &lab.charts());
        workspace.apply();
        restart_workloads(&lab);
        Self { lab, us, eu, workspace }
    }
}

/// Changes of a mesh, one after the other, under traffic.
pub(crate) struct Changes {
    traffic: Traffic,
    announced: Vec<&'static str>,
}

impl Changes {
    pub(crate) fn under(traffic: Traffic) -> Self {
        Self { traffic, announced: Vec::new() }
    }

    /// Makes a change that users mustn't notice: no call may be lost, and none misdirected.
    pub(crate) fn make(&mut self, what: &'static str, change: impl FnOnce()) {
        self.traffic.mark(what);
        change();
        // Proxies get their configuration, and pods end, after the apply has.
        self.traffic.flow(std::time::Duration::from_secs(8));
    }

    /// Makes a change during which calls are lost by its nature. None may be misdirected.
    pub(crate) fn make_with_loss(&mut self, what: &'static str, change: impl FnOnce()) {
        self.announced.push(what);
        self.make(what, change);
    }

    /// Prints the figures, and fails if a call was lost that must not be.
    pub(crate) fn finish(self) {
        let tally = self.traffic.finish();
        for (what, [made, failed, misdirected]) in tally.by_mark() {
            let may_fail = self.announced.contains(&what);
            assert!(made > 0 && misdirected == 0 && (failed == 0 || may_fail), "{what}:\n{tally}");
        }
    }
}
