//! Results of checks, whatever they look at: each with what was seen, the cause and the fix.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::names::ClusterKey;

/// How bad the result of a check is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// All is well.
    #[default]
    Ok,
    /// Calls succeed, but something should be mended.
    Warning,
    /// It couldn't be looked at.
    Unknown,
    /// Calls fail, or something else doesn't work.
    Error,
}

impl Severity {
    /// Its name in HCL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Unknown => "unknown",
            Self::Error => "error",
        }
    }
}

impl Serialize for Severity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Which check.
    pub id: &'static str,
    /// The cluster; `None` if it is about the whole mesh.
    pub cluster: Option<ClusterKey>,
    /// The object or host, if it is about one.
    pub object: Option<String>,
    /// How bad it is.
    pub severity: Severity,
    /// What was seen; a sentence.
    pub seen: String,
    /// Why that is bad, or where it comes from; sentences. Empty if all is well.
    pub cause: String,
    /// What to do; sentences. Empty if all is well.
    pub fix: String,
}

impl Check {
    fn new(id: &'static str, severity: Severity, seen: impl Into<String>) -> Self {
        Self { id, cluster: None, object: None, severity, seen: seen.into(), cause: String::new(), fix: String::new() }
    }

    pub(super) fn ok(id: &'static str, seen: impl Into<String>) -> Self {
        Self::new(id, Severity::Ok, seen)
    }

    pub(super) fn warning(id: &'static str, seen: impl Into<String>) -> Self {
        Self::new(id, Severity::Warning, seen)
    }

    pub(super) fn unknown(id: &'static str, seen: impl Into<String>) -> Self {
        Self::new(id, Severity::Unknown, seen)
    }

    pub(super) fn error(id: &'static str, seen: impl Into<String>) -> Self {
        Self::new(id, Severity::Error, seen)
    }

    pub(super) fn of(self, cluster: &ClusterKey) -> Self {
        Self { cluster: Some(cluster.clone()), ..self }
    }

    pub(super) fn on(self, object: impl Into<String>) -> Self {
        Self { object: Some(object.into()), ..self }
    }

    pub(super) fn because(self, cause: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { cause: cause.into(), fix: fix.into(), ..self }
    }

    /// One line: cluster, object and what was seen.
    pub fn line(&self) -> String {
        let cluster = self.cluster.as_ref().map(|cluster| format!("cluster {cluster}: ")).unwrap_or_default();
        let object = self.object.as_ref().map(|object| format!("{object}: ")).unwrap_or_default();
        format!("{} {}: {cluster}{object}{}", self.severity.as_str(), self.id, self.seen)
    }
}

/// The results of all checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The worst first; of equal ones, the likely cause of the others first.
    pub checks: Vec<Check>,
}

impl Status {
    /// Sorts results. `order` has every check; of several failures the first in it is most likely the cause of the others.
    pub(super) fn sorted(mut checks: Vec<Check>, order: &[(&str, &str)]) -> Self {
        let rank = |check: &Check| order.iter().position(|(id, _)| *id == check.id).unwrap_or(order.len());
        checks.sort_by(|one, other| {
            let worse = other.severity.cmp(&one.severity).then(rank(one).cmp(&rank(other)));
            worse.then_with(|| (&one.cluster, &one.object).cmp(&(&other.cluster, &other.object)))
        });
        Self { checks }
    }

    /// The worst result.
    pub fn verdict(&self) -> Severity {
        self.checks.iter().map(|check| check.severity).max().unwrap_or(Severity::Ok)
    }

    /// The checks whose result is not ok.
    pub fn problems(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| check.severity != Severity::Ok)
    }

    /// A line for each problem, with the first one's cause and fix; one line if there is none.
    pub fn summary(&self) -> String {
        let Some(first) = self.problems().next() else { return format!("ok: {} checks, no problem", self.checks.len()) };
        let mut lines: Vec<_> = self.problems().map(Check::line).collect();
        lines.insert(1, format!("  {} {}", first.cause, first.fix));
        lines.join("\n")
    }
}

/// Lists names, not too many of them.
pub(super) fn list(names: &[String]) -> String {
    const MOST: usize = 5;
    let shown = names.iter().take(MOST).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > MOST { format!("{shown} and {} more", names.len() - MOST) } else { shown }
}

/// `1 pod`, `2 pods`.
pub(super) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Checks that each key leads to a cluster of its own, by the UIDs of those that could be reached; `None` for one that may not be read.
pub(super) fn distinct<'a>(id: &'static str, clusters: impl Iterator<Item = (&'a ClusterKey, Option<&'a str>)>) -> Check {
    let mut keys: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut nameless = Vec::new();
    for (key, uid) in clusters {
        uid.map_or(&mut nameless, |uid| keys.entry(uid).or_default()).push(key.to_string());
    }
    match keys.values().find(|keys| keys.len() > 1) {
        None if !nameless.is_empty() => Check::unknown(id, format!("The UID of {} can't be read.", list(&nameless))).because(
            "A cluster's UID is that of its namespace kube-system.",
            "Give the credentials the permission to get the namespace kube-system.",
        ),
        Some(same) => Check::error(id, format!("The keys {} lead to one cluster.", same.join(" and "))).because(
            "Two entries of `clusters` have the same API server, or contexts of the same cluster.",
            "Correct the address or the context of one of them in the provider's configuration.",
        ),
        None => Check::ok(id, format!("{} can be told apart.", count(keys.len(), "cluster"))),
    }
}
