//! Diagnostics, and the paths in them, as the wire has them.

use super::wire::{self, attribute_path::step::Selector, diagnostic::Severity};
use crate::terraform::{AttributePath, AttributePathStep, Diagnostic, Diagnostics};

pub(super) fn path(path: AttributePath) -> wire::AttributePath {
    let steps = path.steps.into_iter().map(|step| match step {
        AttributePathStep::Attribute(name) => Selector::AttributeName(name.into_owned()),
        AttributePathStep::Key(key) => Selector::ElementKeyString(key.into_owned()),
        AttributePathStep::Index(index) => Selector::ElementKeyInt(index),
    });
    wire::AttributePath { steps: steps.map(|selector| wire::attribute_path::Step { selector: Some(selector) }).collect() }
}

pub(super) fn diagnostics(diagnostics: Diagnostics) -> Vec<wire::Diagnostic> {
    let of = |severity: Severity| {
        move |diagnostic: Diagnostic| wire::Diagnostic {
            severity: severity.into(),
            summary: diagnostic.summary.into_owned(),
            detail: diagnostic.detail.into_owned(),
            attribute: (!diagnostic.attribute.steps.is_empty()).then(|| path(diagnostic.attribute)),
        }
    };
    let errors = diagnostics.errors.into_iter().map(of(Severity::Error));
    errors.chain(diagnostics.warnings.into_iter().map(of(Severity::Warning))).collect()
}
