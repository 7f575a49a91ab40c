//! What the schema alone has to say of a configuration.

use crate::terraform::{Attribute, AttributePath, Datum, Dynamic, Error, Nesting, Report, Type, Value, attribute};

/// Warns of deprecated attributes that are set, and refuses write-only ones where the CLI doesn't know them.
pub(super) fn judge(attributes: &[Attribute], config: &Dynamic, knows_write_only: bool, report: &mut Report) {
    each(attributes, config, &AttributePath::root(), &mut |of, path| {
        if let Some(instead) = of.rules.deprecation {
            let warning = format!("`{}` should not be used any more. {instead}", of.name);
            report.warning(Error::new("Deprecated attribute", warning).at(path.clone()));
        }
        if of.rules.write_only && !knows_write_only {
            // Such a CLI would keep the value in plan and state.
            let needed = format!("`{}` needs Terraform 1.11, OpenTofu 1.11 or newer: older ones would save the value.", of.name);
            report.error(Error::new("Write-only attribute not supported", needed).at(path));
        }
    });
}

/// Visits each attribute that is set, known or not, also those of nested objects.
fn each(attributes: &[Attribute], object: &Dynamic, path: &AttributePath, visit: &mut impl FnMut(&Attribute, AttributePath)) {
    let Value::Value(_) = object else { return };
    for of in attributes {
        let (value, path) = (attribute(object, of.name), path.clone().attribute(of.name));
        if value.is_null() {
            continue;
        }
        visit(of, path.clone());
        match (&of.ty, value) {
            (Type::Nested(Nesting::Single, inner), object) => each(inner, object, &path, visit),
            (Type::Nested(_, inner), Value::Value(Datum::List(elements))) => {
                for (index, element) in (0..).zip(elements) {
                    each(inner, element, &path.clone().index(index), visit);
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
    use super::*;
    use crate::{
        model,
        terraform::{Model as _, encode, optional},
    };

    model! {
        /// Part.
        pub struct Part {
            /// Old.
            old: String => optional().deprecated("Use `new`."),
            /// Key.
            key_wo: String => optional().write_only(),
        }
    }

    model! {
        /// Whole.
        pub struct Whole {
            /// Parts.
            parts: Vec<Value<Part>> => optional(),
        }
    }

    #[test]
    fn each_attribute_is_judged_where_it_stands() {
        let part = |old, key_wo| Value::Value(Part { old, key_wo });
        let text = |text: &str| Value::Value(text.to_owned());
        let whole = Whole { parts: Value::Value(vec![part(Value::Null, Value::Null), part(text("a"), Value::Unknown)]) };
        let mut report = Report::new();
        judge(&Whole::attributes(), &encode(&Value::Value(whole)), false, &mut report);
        let diagnostics = report.into_diagnostics();
        let path = AttributePath::new("parts").index(1);
        assert_eq!(diagnostics.warnings[0].attribute, path.clone().attribute("old"));
        assert_eq!(diagnostics.errors[0].attribute, path.attribute("key_wo"));
        assert_eq!((diagnostics.warnings.len(), diagnostics.errors.len()), (1, 1));
    }
}
