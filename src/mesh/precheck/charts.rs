//! Whether Helm gets Istio's charts.

use semver::Version;

use super::{Intent, Survey};
use crate::mesh::{
    check::Check,
    helm::{
        control_plane::{BASE_CHART, ISTIOD_CHART},
        gateway,
    },
    inventory::Unread,
};

/// The charts that a mesh takes.
pub const CHARTS: [&str; 3] = [BASE_CHART, ISTIOD_CHART, gateway::CHART];

/// What came of fetching a chart.
#[derive(Clone, Debug)]
pub struct Chart {
    /// Its name.
    pub name: &'static str,
    /// Its version, or why it can't be had.
    pub version: Result<String, Unread>,
}

pub(super) fn check(charts: &Result<Vec<Chart>, Unread>) -> Check {
    let id = "precheck.charts";
    let cause = "mesh_cluster and mesh_eastwest_gateway install Istio with Helm, from these charts.";
    let charts = match charts {
        Ok(charts) => charts,
        Err(unread) => return Check::error(id, &unread.why).because(cause, &unread.advice),
    };
    if let Some((name, unread)) = charts.iter().find_map(|chart| Some((chart.name, chart.version.as_ref().err()?))) {
        return Check::error(id, &unread.why).because(cause, &unread.advice).on(format!("chart {name}"));
    }
    let found: Vec<_> = charts.iter().filter_map(|chart| Some(format!("{} {}", chart.name, chart.version.as_ref().ok()?))).collect();
    Check::ok(id, format!("Helm gets the charts {}.", found.join(", ")))
}

/// Returns the version of Istio that would be installed: the one that is set, or that of the newest chart.
pub(super) fn istio_version(survey: &Survey, intent: &Intent) -> Option<Version> {
    let newest = || {
        let istiod = survey.charts.as_ref().ok()?.iter().find(|chart| chart.name == ISTIOD_CHART)?;
        Version::parse(istiod.version.as_ref().ok()?).ok()
    };
    intent.istio_version.clone().or_else(newest)
}
