//! The rules that a schema alone sets for a configuration. The CLIs leave them to the provider: an argument that is required may well be
//! written and null, and one that is read-only may be written.

use crate::terraform::{
    Attribute, AttributeConstraint, AttributePath, Datum, Dynamic, Error, Nesting, Report, Schema, Type, Value, attribute,
};

/// Reports what the schema refuses, and warns of what it deprecates.
pub(super) fn judge(schema: &Schema, config: &Dynamic, knows_write_only: bool, report: &mut Report) {
    if let Some(instead) = schema.deprecation {
        report.warning(Error::new("Deprecated", instead));
    }
    each(&schema.attributes, config, &AttributePath::root(), false, &mut |visit| {
        let faults = visit.faults();
        if !faults.is_empty() {
            return faults.into_iter().for_each(|fault| report.error(fault));
        }
        let Visit { of, value, path, .. } = visit;
        if let Some(instead) = of.rules.deprecation.filter(|_| !value.is_null()) {
            let warning = format!("`{}` is deprecated. {instead}", of.name);
            report.warning(Error::new("Deprecated attribute", warning).at(path.clone()));
        }
        if of.rules.write_only && !value.is_null() && !knows_write_only {
            // Such a CLI would keep the value in plan and state.
            let needed = format!("`{}` needs Terraform 1.11, OpenTofu 1.11 or newer: older versions would save the value.", of.name);
            report.error(Error::new("Write-only attribute not supported", needed).at(path.clone()));
        }
    });
}

/// Reports what the schema refuses of a configuration that is known by now: what was unknown at validate may have become null.
pub(super) fn judge_again(attributes: &[Attribute], config: &Dynamic, report: &mut Report) {
    each(attributes, config, &AttributePath::root(), false, &mut |visit| {
        visit.faults().into_iter().for_each(|fault| report.error(fault));
    });
}

/// Warns of values of a state that a configuration could not set: an older version stored them, or an import found them.
pub(super) fn warn_of_stored(attributes: &[Attribute], state: &Dynamic, report: &mut Report) {
    each(attributes, state, &AttributePath::root(), false, &mut |visit| {
        visit.beyond_limits().into_iter().for_each(|fault| report.warning(fault));
    });
}

/// An attribute with its value, somewhere in a configuration.
struct Visit<'a> {
    of: &'a Attribute,
    /// The object that it belongs to.
    object: &'a Dynamic,
    value: &'a Dynamic,
    path: AttributePath,
    /// Whether no diagnostic may show the value.
    is_secret: bool,
}

impl Visit<'_> {
    /// Why the value won't do for the attribute.
    fn faults(&self) -> Vec<Error> {
        let name = self.of.name;
        let error = match self.of.rules.constraint {
            AttributeConstraint::Required if self.value.is_null() => Error::new(
                "Missing required argument",
                format!("The argument `{name}` is required, but its value is null. Set it to a value."),
            ),
            AttributeConstraint::Computed if !self.value.is_null() => Error::new(
                "Read-only attribute",
                format!("The provider sets `{name}`; a configuration can't. Remove it from the configuration."),
            ),
            _ => {
                let relations = self.of.rules.relations.iter().filter_map(|relation| relation.fault(name, self.object));
                let together = relations.map(|problem| self.error("Invalid combination of arguments", format!("{problem}.")));
                return self.beyond_limits().into_iter().chain(together).collect();
            }
        };
        vec![error.at(self.path.clone())]
    }

    /// What is wrong with the value by the attribute's limits.
    fn beyond_limits(&self) -> Vec<Error> {
        let problems = self.of.rules.limits.iter().filter_map(|limit| limit.fault(self.value, self.is_secret));
        problems.map(|problem| self.error(format!("Invalid {}", self.path), format!("`{}` {problem}.", self.of.name))).collect()
    }

    fn error(&self, summary: impl Into<String>, detail: String) -> Error {
        // A sentence begins with a capital letter, and a name stays as it is.
        let mut letters = detail.chars();
        let detail = letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default();
        Error::new(summary, detail).at(self.path.clone())
    }
}

/// Visits each attribute with its value, also those of nested objects.
fn each(attributes: &[Attribute], object: &Dynamic, path: &AttributePath, is_secret: bool, visit: &mut impl FnMut(&Visit<'_>)) {
    let Value::Value(_) = object else { return };
    for of in attributes {
        let (value, path) = (attribute(object, of.name), path.clone().attribute(of.name));
        let is_secret = is_secret || of.rules.sensitive || of.rules.write_only;
        visit(&Visit { of, object, value, path: path.clone(), is_secret });
        match (&of.ty, value) {
            (Type::Nested(Nesting::Single, inner), object) => each(inner, object, &path, is_secret, visit),
            (Type::Nested(nesting, inner), Value::Value(Datum::List(elements))) => {
                for (index, element) in (0..).zip(elements) {
                    // The elements of a set have no path of their own in the protocol.
                    let path = if *nesting == Nesting::Set { path.clone() } else { path.clone().index(index) };
                    each(inner, element, &path, is_secret, visit);
                }
            }
            (Type::Nested(_, inner), Value::Value(Datum::Map(entries))) => {
                for (key, entry) in entries {
                    each(inner, entry, &path.clone().key(key.clone()), is_secret, visit);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        model,
        terraform::{Model as _, Set, computed, encode, optional, required},
    };

    model! {
        /// Part.
        pub struct Part {
            /// Name.
            name: String => required(),
            /// Old.
            old: String => optional().deprecated("Use `new`."),
            /// Key.
            key_wo: String => optional().write_only(),
            /// Place.
            place: String => computed(),
            /// Size.
            size: i64 => optional().between(1, 9).requires(&["shape"]),
            /// Shape.
            shape: String => optional().one_of(["round", "square"]),
            /// Code.
            code: String => optional().sensitive().length(4, 4),
        }
    }

    model! {
        /// Whole.
        pub struct Whole {
            /// Main.
            main: Part => required(),
            /// Parts.
            parts: Vec<Value<Part>> => optional(),
            /// Parts by key.
            keyed: BTreeMap<String, Value<Part>> => optional(),
            /// Parts in a bag.
            bag: Set<Part> => optional(),
            /// Address.
            address: String => computed(),
        }
    }

    type Found = Vec<(String, String)>;

    fn text(text: &str) -> Value<String> {
        Value::Value(text.to_owned())
    }

    fn part() -> Part {
        Part { name: text("a"), ..Part::default() }
    }

    /// Path and summary of each error, and of each warning.
    fn judged(whole: Whole) -> (Found, Found) {
        let mut report = Report::new();
        judge(&Schema::of::<Whole>(), &encode(&Value::Value(whole)), false, &mut report);
        let diagnostics = report.into_diagnostics();
        let told = |diagnostics: Vec<crate::terraform::Diagnostic>| {
            diagnostics.into_iter().map(|it| (it.attribute.to_string(), it.summary.into_owned())).collect()
        };
        (told(diagnostics.errors), told(diagnostics.warnings))
    }

    fn only(path: &str, summary: &str) -> Found {
        vec![(path.to_owned(), summary.to_owned())]
    }

    #[test]
    fn a_deprecated_and_a_write_only_attribute_are_reported_at_their_paths() {
        let wrong = Part { old: text("a"), key_wo: Value::Unknown, ..part() };
        let parts = Value::Value(vec![Value::Value(part()), Value::Value(wrong)]);
        let (errors, warnings) = judged(Whole { main: Value::Value(part()), parts, ..Whole::default() });
        assert_eq!(warnings, only("parts[1].old", "Deprecated attribute"));
        assert_eq!(errors, only("parts[1].key_wo", "Write-only attribute not supported"));
    }

    #[test]
    fn null_for_a_required_argument_is_an_error_at_every_depth() {
        let missing = "Missing required argument";
        assert_eq!(judged(Whole::default()).0, only("main", missing));
        let nameless = || Value::Value(Part::default());
        assert_eq!(judged(Whole { main: nameless(), ..Whole::default() }).0, only("main.name", missing));
        let whole = || Whole { main: Value::Value(part()), ..Whole::default() };
        assert_eq!(judged(Whole { parts: Value::Value(vec![nameless()]), ..whole() }).0, only("parts[0].name", missing));
        let keyed = BTreeMap::from([("k".to_owned(), nameless())]);
        assert_eq!(judged(Whole { keyed: Value::Value(keyed), ..whole() }).0, only("keyed[\"k\"].name", missing));
        assert_eq!(judged(Whole { bag: Value::Value(Set::from([nameless()])), ..whole() }).0, only("bag.name", missing));
        assert!(judged(Whole { main: Value::Unknown, ..Whole::default() }).0.is_empty(), "what isn't known yet may get a value");
        let unnamed = Part { name: Value::Unknown, ..Part::default() };
        assert!(judged(Whole { main: Value::Value(unnamed), ..Whole::default() }).0.is_empty());
    }

    #[test]
    fn a_read_only_attribute_in_a_configuration_is_an_error_known_or_not() {
        let whole = || Whole { main: Value::Value(part()), ..Whole::default() };
        for address in [text("10.0.0.1"), Value::Unknown] {
            assert_eq!(judged(Whole { address, ..whole() }).0, only("address", "Read-only attribute"));
        }
        let placed = Value::Value(Part { place: text("here"), ..part() });
        assert_eq!(judged(Whole { main: placed, ..whole() }).0, only("main.place", "Read-only attribute"));
    }

    #[test]
    fn a_deprecated_type_is_reported_wherever_it_is_used() {
        let mut report = Report::new();
        let schema = Schema { deprecation: Some("Use another."), ..Schema::of::<Whole>() };
        judge(&schema, &encode(&Value::Value(Whole { main: Value::Unknown, ..Whole::default() })), true, &mut report);
        assert_eq!(report.into_diagnostics().warnings[0].detail, "Use another.");
    }

    #[test]
    fn a_value_beyond_its_limits_is_reported_at_its_path_and_no_secret_is_shown() {
        let wrong = Part { size: Value::Value(10), shape: text("flat"), code: text("12345"), ..part() };
        let parts = Value::Value(vec![Value::Value(part()), Value::Value(wrong)]);
        let whole = Whole { main: Value::Value(Part { size: Value::Value(1), ..part() }), parts, ..Whole::default() };
        let mut report = Report::new();
        judge(&Schema::of::<Whole>(), &encode(&Value::Value(whole.clone())), true, &mut report);
        let found: Vec<_> =
            report.into_diagnostics().errors.into_iter().map(|it| (it.attribute.to_string(), it.detail.into_owned())).collect();
        let expected = [
            ("main.size", "`size` requires `shape`, which is not set."),
            ("parts[1].size", "`size` must be between 1 and 9, got 10."),
            ("parts[1].shape", "`shape` must be `round` or `square`, got \"flat\"."),
            ("parts[1].code", "`code` must have a length of exactly 4."),
        ];
        assert_eq!(found, expected.map(|(path, detail)| (path.to_owned(), detail.to_owned())));

        // In a state it is a warning, and about limits only.
        let mut report = Report::new();
        warn_of_stored(&Schema::of::<Whole>().attributes, &encode(&Value::Value(whole)), &mut report);
        let diagnostics = report.into_diagnostics();
        assert_eq!((diagnostics.errors.len(), diagnostics.warnings.len()), (0, 3));
    }

    #[test]
    fn the_rules_are_part_of_the_documentation() {
        let size = Part::attributes().into_iter().find(|of| of.name == "size").expect("a size");
        assert_eq!(size.documentation(), "Size. Must be between 1 and 9. Requires `shape`.");
    }
}
