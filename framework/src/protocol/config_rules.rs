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
    each(&schema.attributes, config, &AttributePath::root(), &mut |of, value, path| {
        if let Some(problem) = fault(of, value) {
            return report.error(problem.at(path));
        }
        if let Some(instead) = of.rules.deprecation.filter(|_| !value.is_null()) {
            let warning = format!("`{}` is deprecated. {instead}", of.name);
            report.warning(Error::new("Deprecated attribute", warning).at(path.clone()));
        }
        if of.rules.write_only && !value.is_null() && !knows_write_only {
            // Such a CLI would keep the value in plan and state.
            let needed = format!("`{}` needs Terraform 1.11, OpenTofu 1.11 or newer: older versions would save the value.", of.name);
            report.error(Error::new("Write-only attribute not supported", needed).at(path));
        }
    });
}

/// Reports what the schema refuses of a configuration that is known by now: what was unknown at validate may have become null.
pub(super) fn judge_again(attributes: &[Attribute], config: &Dynamic, report: &mut Report) {
    each(attributes, config, &AttributePath::root(), &mut |of, value, path| {
        if let Some(problem) = fault(of, value) {
            report.error(problem.at(path));
        }
    });
}

/// Why the value won't do for the attribute.
fn fault(of: &Attribute, value: &Dynamic) -> Option<Error> {
    let name = of.name;
    match of.rules.constraint {
        AttributeConstraint::Required if value.is_null() => Some(Error::new(
            "Missing required argument",
            format!("The argument `{name}` is required, but its value is null. Set it to a value."),
        )),
        AttributeConstraint::Computed if !value.is_null() => Some(Error::new(
            "Read-only attribute",
            format!("The provider sets `{name}`; a configuration can't. Remove it from the configuration."),
        )),
        _ => None,
    }
}

/// Visits each attribute with its value, also those of nested objects.
fn each(attributes: &[Attribute], object: &Dynamic, path: &AttributePath, visit: &mut impl FnMut(&Attribute, &Dynamic, AttributePath)) {
    let Value::Value(_) = object else { return };
    for of in attributes {
        let (value, path) = (attribute(object, of.name), path.clone().attribute(of.name));
        visit(of, value, path.clone());
        match (&of.ty, value) {
            (Type::Nested(Nesting::Single, inner), object) => each(inner, object, &path, visit),
            (Type::Nested(nesting, inner), Value::Value(Datum::List(elements))) => {
                for (index, element) in (0..).zip(elements) {
                    // The elements of a set have no path of their own in the protocol.
                    let path = if *nesting == Nesting::Set { path.clone() } else { path.clone().index(index) };
                    each(inner, element, &path, visit);
                }
            }
            (Type::Nested(_, inner), Value::Value(Datum::Map(entries))) => {
                for (key, entry) in entries {
                    each(inner, entry, &path.clone().key(key.clone()), visit);
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
        terraform::{Set, computed, encode, optional, required},
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
}
