//! Checks of what a provider declares: mistakes that the CLIs would report as defects of the provider, or that nobody would notice.

use std::collections::BTreeSet;

use crate::terraform::{
    Attribute, AttributeConstraint, AttributeType, Forecast, Limit, Nesting, Provider, Relation, Schema, Type, Value, find_attribute,
    identity_names, plain_type,
};

/// Names that HCL reserves in a `resource` or `data` block.
const RESERVED_IN_BLOCKS: &[&str] = &["connection", "count", "depends_on", "for_each", "lifecycle", "provider", "provisioner"];

/// Names that HCL reserves in a `provider` block.
const RESERVED_IN_PROVIDERS: &[&str] = &["alias", "count", "depends_on", "for_each", "lifecycle", "source", "version"];

/// Returns the mistakes in what the provider declares, one sentence each. A provider's tests assert that there are none.
pub fn check<P: Provider>(provider: &P) -> Vec<String> {
    let mut check = Check(Vec::new());
    check.schema("provider", &Schema::of::<P::Model>(), RESERVED_IN_PROVIDERS);
    let resources = provider.resources();
    for resource in &resources {
        check.schema(resource.name(), &resource.schema(), RESERVED_IN_BLOCKS);
        check.identity(resource.name(), resource.identity_paths(), &resource.schema());
    }
    let data_sources = provider.data_sources();
    for data_source in &data_sources {
        check.schema(data_source.name(), &data_source.schema(), RESERVED_IN_BLOCKS);
    }
    let ephemerals = provider.ephemerals();
    for ephemeral in &ephemerals {
        check.schema(ephemeral.name(), &ephemeral.schema(), RESERVED_IN_BLOCKS);
    }
    for listing in provider.listings() {
        let name = listing.name();
        check.schema(name, &listing.schema(), RESERVED_IN_BLOCKS);
        if !resources.iter().any(|resource| resource.name() == name && resource.identity().is_some()) {
            check.fault(name, "is listed, but there is no resource of that name with an identity");
        }
    }
    check.distinct("resource", resources.iter().map(|resource| resource.name()));
    check.distinct("data source", data_sources.iter().map(|data_source| data_source.name()));
    check.distinct("ephemeral resource", ephemerals.iter().map(|ephemeral| ephemeral.name()));
    check.distinct("list resource", provider.listings().iter().map(|listing| listing.name()));
    check.distinct("action", provider.actions().iter().map(|action| action.name()));
    check.distinct("function", provider.functions().iter().map(|function| function.name()));
    check.0
}

/// The mistakes so far.
struct Check(Vec<String>);

impl Check {
    fn fault(&mut self, path: &str, what: &str) {
        self.0.push(format!("{path} {what}."));
    }

    fn distinct(&mut self, kind: &str, names: impl Iterator<Item = &'static str>) {
        let mut seen = BTreeSet::new();
        for name in names {
            if !is_name(name) {
                self.fault(name, "is not a valid name: use lower-case letters, digits and underscores, and start with a letter");
            }
            if !seen.insert(name) {
                self.fault(name, &format!("is the name of more than one {kind}"));
            }
        }
    }

    fn schema(&mut self, name: &str, schema: &Schema, reserved: &[&str]) {
        for attribute in schema.attributes.iter().filter(|attribute| reserved.contains(&attribute.name)) {
            self.fault(&format!("{name}.{}", attribute.name), "has a name that HCL reserves");
        }
        self.attributes(name, &schema.attributes);
    }

    fn attributes(&mut self, parent: &str, attributes: &[Attribute]) {
        let mut seen = BTreeSet::new();
        for attribute in attributes {
            let path = format!("{parent}.{}", attribute.name);
            if !seen.insert(attribute.name) {
                self.fault(&path, "is declared more than once");
            }
            if !is_name(attribute.name) {
                self.fault(&path, "is not a valid name: use lower-case letters, digits and underscores, and start with a letter");
            }
            self.rules(&path, attribute, attributes);
            if let Type::Nested(nesting, inner) = &attribute.ty {
                if *nesting == Nesting::Set && has_write_only(inner) {
                    self.fault(&path, "is a set with write-only attributes, which the protocol can't pair with their objects");
                }
                self.attributes(&path, inner);
            }
        }
    }

    fn rules(&mut self, path: &str, attribute: &Attribute, siblings: &[Attribute]) {
        let rules = &attribute.rules;
        let is_computed = rules.constraint == AttributeConstraint::Computed;
        if rules.write_only && (is_computed || rules.default.is_some()) {
            self.fault(path, "is write-only, so it can't be computed or have a default: the value would be in the plan");
        }
        if rules.default.is_some() && rules.constraint != AttributeConstraint::Optional {
            self.fault(path, "has a default, which only an optional attribute uses");
        }
        if is_computed && rules.replaces {
            self.fault(path, "is computed, so no configuration changes it, and it can't replace the resource");
        }
        if is_computed && rules.equivalence.is_some() {
            self.fault(path, "is computed, so there is no configured value that could be equivalent");
        }
        if !is_computed && rules.forecast != Forecast::Unknown {
            self.fault(path, "is not computed, so the plan doesn't forecast it");
        }
        if let Forecast::Kept(unless) = rules.forecast {
            for name in unless.iter().filter(|name| !siblings.iter().any(|sibling| sibling.name == **name)) {
                self.fault(path, &format!("is kept unless `{name}` changes, which doesn't exist"));
            }
        }
        if is_computed && !(rules.limits.is_empty() && rules.relations.is_empty()) {
            self.fault(path, "is computed, so no configuration sets it, and its limits limit nothing");
        }
        for limit in &rules.limits {
            if !limits(limit, &plain_type(&attribute.ty)) {
                self.fault(path, &format!("{}, which doesn't apply to its type", limit.rule()));
            }
            if rules.default.as_ref().is_some_and(|default| limit.fault(default, false).is_some()) {
                self.fault(path, &format!("{}, and its own default is not", limit.rule()));
            }
        }
        for name in rules.relations.iter().flat_map(Relation::names) {
            if !siblings.iter().any(|sibling| sibling.name == *name) {
                self.fault(path, &format!("is declared to depend on `{name}`, which doesn't exist"));
            }
        }
        if let Some(default) = &rules.default
            && !fits(default, &attribute.ty)
        {
            self.fault(path, "has a default of another type");
        }
    }

    fn identity(&mut self, name: &str, paths: &[&str], schema: &Schema) {
        let mut seen = BTreeSet::new();
        for (path, of_path) in paths.iter().zip(identity_names(paths)) {
            let Some(attribute) = find_attribute(&schema.attributes, path) else {
                self.fault(name, &format!("has `{path}` in its identity, which doesn't exist"));
                continue;
            };
            if attribute.rules.constraint == AttributeConstraint::Computed || attribute.rules.write_only {
                self.fault(name, &format!("has `{path}` in its identity, which an import can't set"));
            }
            if !seen.insert(of_path.clone()) {
                self.fault(name, &format!("has two attributes named `{of_path}` in its identity"));
            }
        }
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
}

fn has_write_only(attributes: &[Attribute]) -> bool {
    attributes
        .iter()
        .any(|attribute| attribute.rules.write_only || matches!(&attribute.ty, Type::Nested(_, inner) if has_write_only(inner)))
}

/// Whether a limit is about values of a type, or about the elements of a collection of them.
fn limits(limit: &Limit, ty: &AttributeType) -> bool {
    match (limit, ty) {
        (_, AttributeType::Any)
        | (Limit::Length(..), AttributeType::String | AttributeType::List(_) | AttributeType::Set(_) | AttributeType::Map(_))
        | (Limit::Range(..), AttributeType::Number)
        | (Limit::OneOf(_) | Limit::Matches(..), AttributeType::String) => true,
        (
            Limit::Range(..) | Limit::OneOf(_) | Limit::Matches(..),
            AttributeType::List(of) | AttributeType::Set(of) | AttributeType::Map(of),
        ) => limits(limit, of),
        _ => false,
    }
}

/// Whether a default is of the attribute's type, as far as its first level shows.
fn fits(default: &crate::terraform::Dynamic, ty: &Type) -> bool {
    use crate::terraform::Datum;
    let Value::Value(datum) = default else { return false };
    matches!(
        (plain_type(ty), datum),
        (AttributeType::Any, _)
            | (AttributeType::String, Datum::String(_))
            | (AttributeType::Bool, Datum::Bool(_))
            | (AttributeType::Number, Datum::Number(_))
            | (AttributeType::List(_) | AttributeType::Set(_), Datum::List(_))
            | (AttributeType::Map(_) | AttributeType::Object(_), Datum::Map(_))
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model,
        terraform::{Datum, computed, optional, required},
    };

    model! {
        /// Everything that is wrong with one attribute.
        pub struct WrongModel {
            /// Reserved.
            count: i64 => optional(),
            /// In the plan after all.
            secret: String => optional().write_only().default("a"),
            /// Nothing fills it.
            size: i64 => required().default(1_i64),
            /// Of another type.
            length: i64 => optional().default("one"),
            /// Nothing changes it.
            made_at: String => computed().replaces(),
            /// The plan never asks.
            note: String => optional().kept(),
            /// Unless what?
            revision: i64 => computed().kept_unless(&["lenght"]),
            /// Of another type than its limit.
            width: bool => optional().between(1, 2),
            /// Its default is too large.
            height: i64 => optional().default(3_i64).at_most(2),
            /// With what?
            depth: i64 => optional().conflicts_with(&["heigth"]),
            /// Nobody sets it.
            area: i64 => computed().at_least(1),
        }
    }

    #[test]
    fn each_mistake_in_a_schema_is_found() {
        let mut check = Check(Vec::new());
        check.schema("a_thing", &Schema::of::<WrongModel>(), RESERVED_IN_BLOCKS);
        check.identity("a_thing", &["length", "main.length", "made_at"], &Schema::of::<WrongModel>());
        check.distinct("resource", ["a_thing", "a-thing", "a_thing"].into_iter());
        let expected = [
            "a_thing.count has a name that HCL reserves",
            "a_thing.secret is write-only",
            "a_thing.size has a default, which only an optional attribute uses",
            "a_thing.length has a default of another type",
            "a_thing.made_at is computed, so no configuration changes it",
            "a_thing.note is not computed",
            "a_thing.revision is kept unless `lenght` changes",
            "a_thing.width must be between 1 and 2, which doesn't apply to its type",
            "a_thing.height must be at most 2, and its own default is not",
            "a_thing.depth is declared to depend on `heigth`",
            "a_thing.area is computed, so no configuration sets it, and its limits",
            "a_thing has `main.length` in its identity, which doesn't exist",
            "a_thing has `made_at` in its identity, which an import can't set",
            "a-thing is not a valid name",
            "a_thing is the name of more than one resource",
        ];
        assert_eq!(check.0.len(), expected.len(), "{:#?}", check.0);
        for (found, expected) in check.0.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found}");
        }
    }

    #[test]
    fn a_default_fits_its_type() {
        assert!(fits(&Value::Value(Datum::from("a")), &Type::Plain(crate::terraform::AttributeType::String)));
        assert!(!fits(&Value::Null, &Type::Plain(crate::terraform::AttributeType::String)));
    }
}
