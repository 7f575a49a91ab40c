//! Helm releases.

use async_trait::async_trait;
use framework::Deadline;

use super::Failure;
use crate::data::{Deployed, Mark, Release};

/// Installs, reads and removes Helm releases. `cluster` is a key of the provider's `clusters`.
#[async_trait]
pub trait Releases: Send + Sync {
    /// Checks that there is a program to install releases with. Starts nothing: for a plan.
    fn locate(&self) -> Result<(), Failure>;

    /// Checks that releases can be installed at all: that there is a `helm`, new enough. Touches no cluster.
    async fn check(&self) -> Result<(), Failure>;

    /// Fetches a chart, the newest if no version is given, and returns its version. Touches no cluster.
    async fn fetch(&self, chart: &str, version: Option<&str>, deadline: &Deadline) -> Result<String, Failure>;

    /// Installs or upgrades, and waits until what it installs is ready. A release that a killed run left pending is recovered first.
    /// A `mark` is on the release from the moment it exists.
    async fn apply(&self, cluster: &str, release: &Release, mark: Option<&Mark>, deadline: &Deadline) -> Result<Deployed, Failure>;

    /// Removes the mark from a release: its create has finished.
    async fn unmark(&self, cluster: &str, namespace: &str, name: &str, deadline: &Deadline) -> Result<(), Failure>;

    /// Removes Helm's history of a release, and leaves its objects in place: they belong to another release now.
    async fn forget(&self, cluster: &str, namespace: &str, name: &str, deadline: &Deadline) -> Result<(), Failure>;

    /// Returns the release, or `None` if it doesn't exist.
    async fn get(&self, cluster: &str, namespace: &str, name: &str, deadline: &Deadline) -> Result<Option<Deployed>, Failure>;

    /// Returns the releases of some charts, in one namespace or all. One that can't be read is left out.
    async fn list(&self, cluster: &str, namespace: Option<&str>, charts: &[&str], deadline: &Deadline) -> Result<Vec<Deployed>, Failure>;

    /// Uninstalls, and waits until its objects are gone. One that is gone already is fine. Returns the objects that were left in place, each
    /// with the reason.
    async fn remove(&self, cluster: &str, namespace: &str, name: &str, deadline: &Deadline) -> Result<Vec<String>, Failure>;
}
