//! What a provider reports.

use framework::protocol::wire::{Diagnostic, diagnostic::Severity};

/// Returns whether there is an error among the diagnostics.
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|diagnostic| diagnostic.severity() == Severity::Error)
}

/// Returns the titles of the errors.
pub fn errors(diagnostics: &[Diagnostic]) -> Vec<&str> {
    titles(diagnostics, Severity::Error)
}

/// Returns the titles of the warnings.
pub fn warnings(diagnostics: &[Diagnostic]) -> Vec<&str> {
    titles(diagnostics, Severity::Warning)
}

fn titles(diagnostics: &[Diagnostic], severity: Severity) -> Vec<&str> {
    diagnostics.iter().filter(|diagnostic| diagnostic.severity() == severity).map(|diagnostic| diagnostic.summary.as_str()).collect()
}
