//! Helm releases, as wanted and as deployed.

use serde_json::Value as Json;

use super::Mark;

/// Helm's annotation of an object: the name of the release that it belongs to.
pub const RELEASE_NAME: &str = "meta.helm.sh/release-name";

/// Helm's annotation of an object: the namespace of that release.
pub const RELEASE_NAMESPACE: &str = "meta.helm.sh/release-namespace";

/// A release as wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct Release {
    /// The release's name.
    pub name: String,
    /// The namespace it is installed to; it exists.
    pub namespace: String,
    /// The chart's name in the repository: `base`, `istiod`, `gateway`.
    pub chart: String,
    /// The chart's version; `None` for the newest.
    pub version: Option<String>,
    /// Values, as one tree.
    pub values: Json,
    /// The places of those values that are stored nowhere but in the cluster: `pilot.env.TOKEN`.
    pub private: Vec<String>,
    /// Whether objects that exist already, and belong to another release or to none, become part of it.
    pub takes_ownership: bool,
}

/// A release as deployed.
#[derive(Clone, Debug, PartialEq)]
pub struct Deployed {
    /// The release's name.
    pub name: String,
    /// The namespace it is installed to.
    pub namespace: String,
    /// Counts installs, upgrades and rollbacks.
    pub revision: u64,
    /// How the last operation ended.
    pub status: ReleaseStatus,
    /// The chart's name.
    pub chart: String,
    /// The chart's version.
    pub version: String,
    /// The version of what the chart installs.
    pub app_version: String,
    /// The user-supplied values.
    pub values: Json,
    /// The objects that it consists of, in order.
    pub manifest: Vec<Json>,
    /// A line for each part of the manifest that can't be read.
    pub unreadable: Vec<String>,
    /// Helm's last word on it.
    pub description: String,
    /// Whether this provider made the newest revision.
    pub is_ours: bool,
    /// The mark of the create that has not finished.
    pub mark: Option<Mark>,
}

/// The state of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReleaseStatus {
    /// In place.
    Deployed,
    /// The last install or upgrade failed.
    Failed,
    /// An install, upgrade or rollback is under way, or was cut short: `pending-install` and the like.
    Pending(String),
    /// Anything else Helm knows: `uninstalling`, `uninstalled`, `superseded`.
    Other(String),
}

/// Label of Helm's record of a revision: who installed it.
pub const INSTALLED_BY: &str = "mesh.terraform.io/installed-by";

/// Returns namespace and name of the Helm release that an object belongs to by its annotations.
pub fn release_of(object: &Json) -> Option<(String, String)> {
    let annotation = |name: &str| object["metadata"]["annotations"].get(name).and_then(Json::as_str).map(str::to_owned);
    annotation(RELEASE_NAMESPACE).zip(annotation(RELEASE_NAME))
}
