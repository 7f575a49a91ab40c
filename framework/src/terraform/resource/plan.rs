//! A change while it is planned, as the resource sees it.

use super::super::{parse::Parse, report::Report, vocabulary::AttributePath};

/// A planned change, while it is being planned.
pub struct Plan<'a, M, W> {
    /// The state so far; `None` on creation.
    pub prior: Option<M>,
    /// As in the configuration.
    pub config: M,
    /// The state after the apply. The resource may change what it computes; a change where the attributes alone needed none makes the plan
    /// an update, and the resource is asked once more, with the computed attributes open.
    pub planned: M,
    /// `None` while the provider's configuration is not known.
    pub world: Option<&'a W>,
    /// Errors and warnings.
    pub report: &'a mut Report,
    pub(in crate::terraform) replace: Vec<AttributePath>,
    pub(in crate::terraform) is_deferred: bool,
}

impl<M, W> Plan<'_, M, W> {
    /// The change of the attribute at `path` replaces the resource.
    pub fn replace(&mut self, path: AttributePath) {
        self.replace.push(path);
    }

    /// Reads a part of the planned values although another part is not known yet: `read` gets all attributes, and returns what it needs of
    /// them. Violations are not reported, as validation has reported them.
    pub fn known<T>(&self, read: impl FnOnce(&M, &mut Parse<'_>) -> Option<T>) -> Option<T> {
        read(&self.planned, &mut Parse::new(&mut Report::new()))
    }

    /// The plan needs a part of the provider's configuration that is not known yet. A CLI that supports deferral defers the change; for all
    /// others the plan stays as it is.
    pub fn defer(&mut self) {
        self.is_deferred = true;
    }
}

/// A planned destroy.
pub struct Destruction<'a, M, W> {
    /// The state so far.
    pub prior: M,
    /// `None` while the provider's configuration is not known.
    pub world: Option<&'a W>,
    /// Errors, which prevent the destroy, and warnings.
    pub report: &'a mut Report,
    pub(in crate::terraform) is_deferred: bool,
}

impl<M, W> Destruction<'_, M, W> {
    /// The destroy needs a part of the provider's configuration that is not known yet.
    pub fn defer(&mut self) {
        self.is_deferred = true;
    }
}
