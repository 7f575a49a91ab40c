//! What mesh_root_ca and mesh_cluster_ca share: validity, subject, and reading the root's Secret.

use std::time::Duration;

use crate::{
    data::{Certificate, ObjectRef},
    mesh::trust,
    world::LiveCluster,
};
use framework::Error;

/// The organization in the subject of a CA if the configuration sets none.
pub(super) const DEFAULT_ORGANIZATION: &str = "Istio mesh";

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Reads a number of days from 1 to 100 years.
pub(super) fn parse_days(days: i64) -> Result<Duration, String> {
    match u32::try_from(days) {
        Ok(count @ 1..=36500) => Ok(DAY * count),
        _ => Err(format!("Must be between 1 and 36500 days, got {days}.")),
    }
}

/// Reads a part of a certificate's subject.
pub(super) fn parse_subject(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 64 || text.chars().any(char::is_control) {
        return Err("Must have 1 to 64 characters, and no control characters.".to_owned());
    }
    Ok(text.to_owned())
}

/// Reads a root CA's Secret.
pub(super) async fn read_root(cluster: LiveCluster<'_>, secret: &ObjectRef) -> Result<Option<Certificate>, Error> {
    let Some(live) = cluster.get(secret).await? else { return Ok(None) };
    trust::read_root_secret(&live).map(Some).map_err(|problem| {
        Error::new(
            "Damaged root CA",
            format!(
                "{secret} of cluster \"{}\" doesn't hold a root CA: {problem} Restore it from a backup, or replace the mesh_root_ca.",
                cluster.key
            ),
        )
    })
}
