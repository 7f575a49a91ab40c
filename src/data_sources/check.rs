//! Results of checks, as the data sources that check have them.

use crate::{
    mesh::{
        ClusterKey,
        check::{Check, Status},
    },
    world::{World, chosen_clusters},
};
use framework::{AttributePath, Cx, Error, Set, Value, computed, model};

model! {
    /// The result of one check.
    pub struct CheckModel {
        /// Which check, for example `istiod.ready`. The guide [Checking a mesh](../guides/checking-a-mesh.md) describes each.
        id: String => computed(),
        /// Key of the cluster; null if the check is about the whole mesh.
        cluster: String => computed(),
        /// The object or host that was checked, for example `istio-system/istiod`; null if the check is about a cluster as a whole.
        object: String => computed(),
        /// `ok`; `warning`: calls succeed, but something should be mended; `unknown`: it couldn't be looked at; `error`: calls or the installation fail.
        severity: String => computed(),
        /// What was seen.
        seen: String => computed(),
        /// Why that is bad. Empty if the severity is `ok`.
        cause: String => computed(),
        /// What to do. Empty if the severity is `ok`.
        fix: String => computed(),
    }
}

impl From<&Check> for CheckModel {
    fn from(check: &Check) -> Self {
        let text = |text: &str| Value::Value(text.to_owned());
        let or_null = |text: Option<String>| text.map_or(Value::Null, Value::Value);
        Self {
            id: text(check.id),
            cluster: or_null(check.cluster.as_ref().map(ToString::to_string)),
            object: or_null(check.object.clone()),
            severity: text(check.severity.as_str()),
            seen: text(&check.seen),
            cause: text(&check.cause),
            fix: text(&check.fix),
        }
    }
}

/// The attributes `verdict`, `summary` and `checks`.
pub(super) type Recorded = (Value<String>, Value<String>, Value<Vec<Value<CheckModel>>>);

/// Returns the attributes `verdict`, `summary` and `checks`.
pub(super) fn recorded(status: &Status) -> Recorded {
    let checks = status.checks.iter().map(|check| Value::Value(check.into())).collect();
    (Value::Value(status.verdict().as_str().to_owned()), Value::Value(status.summary()), Value::Value(checks))
}

/// Returns the clusters that an attribute names, all of which must be configured; all of the provider's if it is not set.
pub(super) fn configured_clusters(wanted: &Value<Set<String>>, cx: &Cx<'_, World>) -> Result<Vec<ClusterKey>, Error> {
    let clusters = chosen_clusters(wanted, cx)?;
    match clusters.iter().find_map(|cluster| cx.world.clusters.problem(cluster)) {
        Some(problem) => Err(Error::new("Unknown cluster", problem).at(AttributePath::new("clusters"))),
        None => Ok(clusters),
    }
}
