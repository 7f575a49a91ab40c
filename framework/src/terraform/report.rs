//! Collects all that is wrong, each at its attribute, instead of stopping at the first.

use super::vocabulary::{AttributePath, Diagnostic, Diagnostics};

const NOTHING_TO_IMPORT: &str = "Nothing to import";

/// What failed, where, why and what to do: becomes one error diagnostic.
#[derive(Clone, Debug)]
pub struct Error {
    /// A short title.
    pub summary: String,
    /// What failed, on which cluster and object, why, what to do next; the raw error last.
    pub detail: String,
    /// The attribute to which it belongs; the root when it is the whole resource.
    pub path: AttributePath,
}

impl Error {
    /// An error of the whole resource.
    pub fn new(summary: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { summary: summary.into(), detail: detail.into(), path: AttributePath::root() }
    }

    /// The error of an import ID whose object does not exist.
    pub fn nothing_to_import(detail: impl Into<String>) -> Self {
        Self::new(NOTHING_TO_IMPORT, detail)
    }

    pub(super) fn is_nothing_to_import(&self) -> bool {
        self.summary == NOTHING_TO_IMPORT
    }

    /// The same error, at an attribute.
    #[must_use]
    pub fn at(self, path: AttributePath) -> Self {
        Self { path, ..self }
    }
}

// Built by hand: tf-provider's constructors append a backtrace to the detail when RUST_BACKTRACE is set.
fn diagnostic(error: Error) -> Diagnostic {
    Diagnostic { summary: error.summary.into(), detail: error.detail.into(), attribute: error.path }
}

fn add(all: &mut Vec<Diagnostic>, new: Diagnostic) {
    let is_new = |known: &Diagnostic| (&known.summary, &known.detail, &known.attribute) != (&new.summary, &new.detail, &new.attribute);
    if all.iter().all(is_new) {
        all.push(new);
    }
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        diagnostic(error)
    }
}

/// The diagnostics of one call.
#[derive(Default)]
pub struct Report {
    diagnostics: Diagnostics,
}

impl Report {
    /// An empty report.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an error, unless the same was added already.
    pub fn error(&mut self, error: Error) {
        add(&mut self.diagnostics.errors, diagnostic(error));
    }

    /// Adds a warning, unless the same was added already: the same facts as an error's, but the work goes on.
    pub fn warning(&mut self, warning: Error) {
        add(&mut self.diagnostics.warnings, diagnostic(warning));
    }

    /// Adds all of another report.
    pub fn extend(&mut self, other: Self) {
        self.diagnostics.errors.extend(other.diagnostics.errors);
        self.diagnostics.warnings.extend(other.diagnostics.warnings);
    }

    /// Whether there is any error so far.
    pub fn has_errors(&self) -> bool {
        !self.diagnostics.errors.is_empty()
    }

    /// The first error, where one is enough to give up.
    pub fn into_result(self) -> Result<(), Error> {
        match self.diagnostics.errors.into_iter().next() {
            Some(error) => Err(Error { summary: error.summary.into(), detail: error.detail.into(), path: error.attribute }),
            None => Ok(()),
        }
    }

    /// All that was reported.
    pub fn into_diagnostics(self) -> Diagnostics {
        self.diagnostics
    }
}
