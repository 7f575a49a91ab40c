//! What is remembered of Helm releases in the private state: the revision that was seen last, and which values are write-only.

use super::LiveCluster;
use crate::data::{Deployed, Release};

/// How a revision is remembered. A release that somebody has uninstalled and installed again begins to count anew, so its number isn't enough.
fn shown(live: &Deployed) -> String {
    format!("{}{}", live.revision, if live.is_ours { "" } else { " of others" })
}

impl LiveCluster<'_> {
    /// Remembers a revision as the one that is meant to be there.
    pub(in crate::world) fn remember_revision(self, live: &Deployed) {
        self.cx.remember(&format!("revision of {}/{}", live.namespace, live.name), Some(shown(live)));
    }

    /// Reports a revision that somebody else has made since the last apply, or since the import, as a line of drift. Nothing else need differ: charts of
    /// one version can have other templates.
    pub(in crate::world) fn revision_drift(self, live: &Deployed) -> Option<String> {
        let known = self.cx.recall_or_remember(&format!("revision of {}/{}", live.namespace, live.name), &shown(live))?;
        let is_other = !live.is_ours && known != shown(live);
        let number = known.split(' ').next().unwrap_or_default();
        is_other.then(|| format!("revision {} was made by somebody else, after revision {number}", live.revision))
    }

    /// Remembers the places of a release's write-only values, which no refresh knows.
    pub(in crate::world) fn remember_private(self, release: &Release) {
        let places = (!release.private.is_empty()).then(|| release.private.join("\n"));
        self.cx.remember(&format!("private values of {}/{}", release.namespace, release.name), places);
    }

    /// Returns the places of write-only values of the last apply, for a refresh.
    pub(in crate::world) fn private_values(self, release: &Release) -> Vec<String> {
        if !self.cx.is_refresh() {
            return Vec::new();
        }
        let places = self.cx.recall(&format!("private values of {}/{}", release.namespace, release.name));
        places.unwrap_or_default().lines().map(str::to_owned).collect()
    }
}
