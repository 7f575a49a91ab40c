//! Import IDs: splitting them into cluster and names, and errors about them.

use super::{World, reachable};
use crate::mesh::ClusterKey;
use framework::{Cx, Error};

/// Whether a string can be a part of an import ID. The name itself is looked up as it is.
fn is_part(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || "-._".contains(letter))
}

/// Splits an import ID into a cluster that can be contacted, and the `N` parts after it; `form` shows what is expected.
pub(crate) fn parts<const N: usize>(id: &str, form: &str, cx: &Cx<'_, World>) -> Result<(ClusterKey, [String; N]), Error> {
    let wrong = |problem: &str| Error::new("Invalid import ID", format!("`{id}` is not a valid import ID{problem} The format is {form}."));
    let mut parts = id.split('/').map(str::to_owned);
    let cluster = parts.next().filter(|key| is_part(key)).ok_or_else(|| wrong("."))?;
    let parts = <[String; N]>::try_from(parts.collect::<Vec<_>>());
    let parts = parts.ok().filter(|parts| parts.iter().all(|part| is_part(part))).ok_or_else(|| wrong("."))?;
    let cluster = ClusterKey::parse(&cluster).map_err(|problem| wrong(&format!(": {problem}")))?;
    reachable(&cluster, cx)?;
    Ok((cluster, parts))
}

/// The error of an import ID whose object doesn't exist.
pub(crate) fn nothing(cluster: &ClusterKey, object: &str) -> Error {
    Error::nothing_to_import(format!("Cluster \"{cluster}\" has no {object}."))
}
