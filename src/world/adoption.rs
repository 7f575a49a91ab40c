//! Taking over, with `adopt = true`, what exists and isn't this provider's: what counts as that, and what a plan says of it.

use framework::{AttributePath, Error, Value};

use super::LiveCluster;
use crate::{data::Deployed, mesh::ClusterKey};

/// How many changes a plan lists.
const MOST: usize = 50;

/// Whether the attribute `adopt` is set.
pub(crate) fn adopts(adopt: Value<bool>) -> bool {
    adopt == Value::Value(true)
}

impl LiveCluster<'_> {
    /// Whether releases can be taken over: at least one is others', and none belongs to another state of this provider. A part that an
    /// interrupted apply has taken over already carries the mark of its create.
    pub(crate) fn are_of_others<'b>(self, releases: impl Iterator<Item = &'b Deployed>) -> bool {
        let mut found = false;
        for release in releases {
            if !release.is_ours {
                found = true;
            } else if release.mark.as_ref().is_none_or(|mark| mark.cluster != self.key.as_str()) {
                return false;
            }
        }
        found
    }

    /// Tells a plan what an apply takes over, and what it changes of that, a line each.
    pub(crate) fn announce_adoption(self, objects: &str, changes: &[String]) {
        let listed: Vec<_> = changes.iter().take(MOST).map(|line| format!("\n- {line}")).collect();
        let more = changes.len().saturating_sub(MOST);
        let more = if more == 0 { String::new() } else { format!("\n- and {more} more") };
        let changes =
            if changes.is_empty() { " It changes nothing of it.".to_owned() } else { format!(" It changes:\n{}{more}", listed.concat()) };
        self.warn(
            Error::new(
                // The CLIs show only one of several warnings with the same title.
                format!("Taken over in cluster \"{}\": {objects}", self.key),
                format!(
                    "As `adopt` is true, the apply takes over {objects} of cluster \"{}\", created by somebody else.{changes}\n\nFrom then on this \
                     resource manages it: the next applies change it, and a destroy deletes it.",
                    self.key
                ),
            )
            .at(AttributePath::new("adopt")),
        );
    }

    /// Tells a plan that it can't be seen what an apply takes over.
    pub(crate) fn adoption_unseen(self, of: &str, why: &str) {
        let detail = format!(
            "`adopt` is true, and it can't be seen yet what the apply takes over in cluster \"{}\" and what it changes of that. {why}",
            self.key
        );
        let title = format!("What {of} takes over can't be seen");
        self.warn(Error::new(title, detail).at(AttributePath::new("adopt")));
    }
}

/// The error of taking over what is this provider's already.
pub(crate) fn managed_already(cluster: &ClusterKey, object: &str, import: &str) -> Error {
    Error::new(
        "Already exists",
        format!(
            "Cluster \"{cluster}\" already has {object}, which this provider manages: `adopt` takes over only what was created otherwise.\n\nIf it is in \
             this resource's own state, which is tainted, run `terraform untaint` (or `tofu untaint`) on the resource. If it is in another state, \
             remove it from that one, and run `terraform import {import}` (or `tofu import`)."
        ),
    )
}

/// The error of creating what others have created, without `adopt`.
pub(crate) fn adoptable(cluster: &ClusterKey, object: &str, import: &str) -> Error {
    Error::new(
        "Already exists",
        format!(
            "Cluster \"{cluster}\" already has {object}, which this provider didn't create, so it was not changed.\n\nTo take it over, set `adopt = \
             true`: the next plan shows what of it would change. To have its settings in the state first, run `terraform import {import}` (or `tofu \
             import`). To create a new one, delete the existing one or choose another name."
        ),
    )
}
