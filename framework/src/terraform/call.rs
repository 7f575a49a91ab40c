//! What every call has in common, whatever is called: its model is read and parsed, and what it says is collected.

use super::{
    context::Cx,
    dynamic::Dynamic,
    model::{Model, decode},
    parse::{Parse, Parsed},
    report::{Error, Report},
    vocabulary::{AttributePath, Diagnostics, Value},
};

/// What came of a call that looks at the world.
pub struct Outcome<T = Dynamic> {
    /// What was found.
    pub found: T,
    /// Errors and warnings.
    pub diagnostics: Diagnostics,
    /// The call needs what isn't known yet of the provider's configuration: a CLI that can, asks again later.
    pub is_deferred: bool,
}

/// Reads a model, and reports what doesn't fit.
pub(super) fn model<M: Model>(value: &Dynamic, report: &mut Report) -> Option<M> {
    match decode::<M>(value, &AttributePath::root()) {
        Ok(Value::Value(model)) => Some(model),
        Ok(Value::Null | Value::Unknown) => None,
        Err(error) => {
            report.error(error);
            None
        }
    }
}

/// Reads and parses a configuration, in which anything may be unknown.
pub(super) fn validate<M: Model, S>(config: &Dynamic, parse: impl FnOnce(&M, &mut Parse<'_>) -> Option<S>) -> Diagnostics {
    let mut report = Report::new();
    if let Some(model) = model::<M>(config, &mut report) {
        parse(&model, &mut Parse::new(&mut report));
    }
    report.into_diagnostics()
}

/// Reads and parses a state, which may break the rules of today; see [`Parse::stored`].
pub(super) fn load_stored<M: Model, S>(
    name: &str,
    value: &Dynamic,
    report: &mut Report,
    parse: impl FnOnce(&M, &mut Parse<'_>) -> Option<S>,
) -> Option<(M, S)> {
    let model = model::<M>(value, report)?;
    let mut parsing = Parse::stored(report);
    let spec = parse(&model, &mut parsing);
    if let Parsed::Ready(spec) = parsing.finish(spec) {
        return Some((model, spec));
    }
    report.error(Error::new(
        format!("The state of this {name} is incomplete"),
        "A required attribute is null, or has a value that this version of the provider cannot use. An apply of a valid configuration writes \
         it anew.",
    ));
    None
}

/// Reads and parses what must be valid and known by now.
pub(super) fn load<M: Model, S>(
    name: &str,
    value: &Dynamic,
    report: &mut Report,
    parse: impl FnOnce(&M, &mut Parse<'_>) -> Option<S>,
) -> Option<(M, S)> {
    let model = model::<M>(value, report)?;
    let mut parsing = Parse::new(report);
    let spec = parse(&model, &mut parsing);
    match parsing.finish(spec) {
        Parsed::Ready(spec) => Some((model, spec)),
        Parsed::Invalid => None,
        Parsed::Unknown => {
            report.error(Error::new(
                format!("Incomplete {name}"),
                "An attribute that is needed has no value. This is a defect of the provider, or the state was edited by hand.",
            ));
            None
        }
    }
}

/// Takes over what was said on the way; returns whether the call came too early for the provider's configuration.
pub(super) fn conclude<W>(cx: Cx<'_, W>, report: &mut Report) -> bool {
    let is_deferred = cx.is_deferred();
    for warning in cx.into_warnings() {
        report.warning(warning);
    }
    is_deferred
}
