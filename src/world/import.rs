//! Reading the names that `terraform import` gives.

use super::{World, reachable};
use crate::mesh::ClusterKey;
use framework::{Cx, Error};

/// Whether a text can be a part at all. What it names is looked up as it stands.
fn is_part(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || "-._".contains(letter))
}

/// Splits an import's name in its parts, of which the first is a cluster that can be looked at; `form` shows what is expected.
pub(crate) fn parts<const N: usize>(id: &str, form: &str, cx: &Cx<'_, World>) -> Result<[String; N], Error> {
    let wrong =
        |problem: &str| Error::new("Wrong import name", format!("`{id}` doesn't name an object to import{problem} The form is {form}."));
    let parts: Vec<_> = id.split('/').map(str::to_owned).collect();
    let parts = <[String; N]>::try_from(parts).ok().filter(|parts| parts.iter().all(|part| is_part(part))).ok_or_else(|| wrong("."))?;
    let cluster = ClusterKey::parse(&parts[0]).map_err(|problem| wrong(&format!(": {problem}")))?;
    reachable(&cluster, cx)?;
    Ok(parts)
}

/// There is nothing to import.
pub(crate) fn nothing(cluster: &str, object: &str) -> Error {
    Error::new("Nothing to import", format!("Cluster \"{cluster}\" has no {object}."))
}
