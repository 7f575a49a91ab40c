//! Failures of the world as errors of a resource.

use framework::{Error, Report};

use super::World;
use crate::{mesh::ClusterKey, ports::Failure};

/// Failures of work done at once, as one error that tells all of them.
pub(crate) fn all_failed(failures: Vec<Failure>) -> Result<(), Error> {
    let mut failures = failures.into_iter();
    let Some(first) = failures.next() else { return Ok(()) };
    let others: Vec<_> = failures.map(|other| format!("\n\n{}: {}", other.summary, other.detail())).collect();
    let mut error = Error::from(first);
    error.detail.push_str(&others.concat());
    Err(error)
}

/// Reports that a planned change would need a `helm`, and there is none.
pub(crate) fn check_helm(world: Option<&World>, report: &mut Report) {
    if let Some(Err(failure)) = world.map(|world| world.releases.locate()) {
        report.error(failure.into());
    }
}

/// What exists, and this resource didn't make, is left alone.
pub(crate) fn not_ours(cluster: &ClusterKey, object: &str, import: &str) -> Error {
    Error::new(
        "Exists already",
        format!(
            "Cluster \"{cluster}\" already has {object}, which this resource didn't make, so it was left as it is.\n\nTo take it over, run \
             `terraform import {import}` (or `tofu import`); to have a new one, remove the old one or choose another name."
        ),
    )
}
