//! Errors that several resources report: combined failures, a missing Helm, and objects that the provider doesn't manage.

use framework::{Error, Report};

use super::World;
use crate::{mesh::ClusterKey, ports::Failure};

/// Combines the failures of parallel work into one error that describes all of them.
pub(crate) fn all_failed(failures: Vec<Failure>) -> Result<(), Error> {
    let mut failures = failures.into_iter();
    let Some(first) = failures.next() else { return Ok(()) };
    let others: Vec<_> = failures.map(|other| format!("\n\n{}: {}", other.summary, other.detail())).collect();
    let mut error = Error::from(first);
    error.detail.push_str(&others.concat());
    Err(error)
}

/// Reports that a planned change needs Helm, and that it isn't installed.
pub(crate) fn check_helm(world: Option<&World>, report: &mut Report) {
    if let Some(Err(failure)) = world.map(|world| world.releases.locate()) {
        report.error(failure.into());
    }
}

/// The error of creating an object that exists already and that this resource didn't create.
pub(crate) fn not_ours(cluster: &ClusterKey, object: &str, import: &str) -> Error {
    Error::new(
        "Already exists",
        format!(
            "Cluster \"{cluster}\" already has {object}, which this resource didn't create, so it was not changed.\n\nTo manage it, run \
             `terraform import {import}` (or `tofu import`). To create a new one, delete the existing one or choose another name."
        ),
    )
}
