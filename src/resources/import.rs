//! Reading the names that `terraform import` gives.

use crate::terraform::Error;

/// Splits an import's name in its parts; `form` shows what is expected.
pub(super) fn parts<const N: usize>(id: &str, form: &str) -> Result<[String; N], Error> {
    let parts: Vec<_> = id.split('/').map(str::to_owned).collect();
    <[String; N]>::try_from(parts)
        .ok()
        .filter(|parts| parts.iter().all(|part| !part.is_empty()))
        .ok_or_else(|| Error::new("Wrong import name", format!("`{id}` doesn't name an object to import. The form is {form}.")))
}

/// There is nothing to import.
pub(super) fn nothing(cluster: &str, object: &str) -> Error {
    Error::new("Nothing to import", format!("Cluster \"{cluster}\" has no {object}."))
}
