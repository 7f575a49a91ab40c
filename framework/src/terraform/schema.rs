//! What an attribute is: type, rules, documentation. A schema is read off a [`Model`](super::Model), by [`Schema::of`].

use super::{
    dynamic::{Datum, Dynamic, attribute, set_attribute},
    limit::{Limit, Relation},
    number::Number,
    vocabulary::{AttributeConstraint, AttributeType, Value},
};

/// The schema of a provider, a resource or an ephemeral resource.
#[derive(Clone, Debug)]
pub struct Schema {
    /// Raised when a stored state must be rewritten to be read.
    pub version: i64,
    /// Markdown.
    pub description: String,
    /// Why not to use it any more, and what to use.
    pub deprecation: Option<&'static str>,
    /// In the order of declaration.
    pub attributes: Vec<Attribute>,
}

/// One attribute of a schema or of a nested type.
#[derive(Clone, Debug)]
pub struct Attribute {
    /// As written in HCL.
    pub name: &'static str,
    /// Markdown.
    pub description: String,
    /// What it holds.
    pub ty: Type,
    /// Who sets it, and what a change of it does.
    pub rules: Rules,
}

impl Attribute {
    /// The attribute's constraint on the wire: one with a default is computed too, as the plan may fill it.
    pub fn constraint(&self) -> AttributeConstraint {
        match (&self.rules.constraint, &self.rules.default) {
            (AttributeConstraint::Optional, Some(_)) => AttributeConstraint::OptionalComputed,
            (constraint, _) => constraint.clone(),
        }
    }

    /// Returns the description, followed by the rules for its value, as Markdown.
    pub fn documentation(&self) -> String {
        let mut text = self.description.clone();
        for rule in self.rules.limits.iter().map(Limit::rule) {
            // It is a sentence of its own here.
            let (first, rest) = rule.split_at(rule.chars().next().map_or(0, char::len_utf8));
            text.extend([" ", &first.to_uppercase(), rest, "."]);
        }
        for relation in &self.rules.relations {
            text.push(' ');
            text.push_str(&relation.rule());
        }
        text
    }
}

/// The type of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// A type without nested attributes.
    Plain(AttributeType),
    /// Objects whose attributes have rules and documentation of their own.
    Nested(Nesting, Vec<Attribute>),
}

impl PartialEq for Attribute {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.ty == other.ty
    }
}

/// How nested objects are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nesting {
    /// One object.
    Single,
    /// A list of objects.
    List,
    /// A set of objects.
    Set,
    /// A map of objects.
    Map,
}

/// What the plan shows for a computed attribute.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Forecast {
    /// "Known after apply", whenever something changes.
    #[default]
    Unknown,
    /// The value of the prior state, as Terraform's `UseStateForUnknown`; "known after apply" only on creation, and where one of these
    /// attributes of the same object changes.
    Kept(&'static [&'static str]),
    /// Always this value: one that differs in the state is itself a reason for an update.
    Settled(Dynamic),
}

/// Whether two values that differ mean the same.
pub type Equivalence = fn(&Dynamic, &Dynamic) -> bool;

/// The rules of an attribute; built from [`required`], [`optional`] or [`computed`].
#[derive(Clone, Debug)]
pub struct Rules {
    /// Who sets the value.
    pub constraint: AttributeConstraint,
    /// Masked by the CLI.
    pub sensitive: bool,
    /// Reaches the provider from the configuration only; never in plan or state.
    pub write_only: bool,
    /// A change replaces the resource.
    pub replaces: bool,
    /// Why not to use it any more, and what to use.
    pub deprecation: Option<&'static str>,
    /// Used when the configuration has none.
    pub default: Option<Dynamic>,
    /// For computed attributes.
    pub forecast: Forecast,
    /// A new value that is equivalent to the prior one is no change.
    pub equivalence: Option<Equivalence>,
    /// What a configured value must be.
    pub limits: Vec<Limit>,
    /// Which attributes of the same object are set together.
    pub relations: Vec<Relation>,
}

/// Rules of an attribute that must be set.
pub fn required() -> Rules {
    Rules::of(AttributeConstraint::Required)
}

/// Rules of an attribute that may be set.
pub fn optional() -> Rules {
    Rules::of(AttributeConstraint::Optional)
}

/// Rules of an attribute that only the provider sets.
pub fn computed() -> Rules {
    Rules::of(AttributeConstraint::Computed)
}

impl Rules {
    fn of(constraint: AttributeConstraint) -> Self {
        Self {
            constraint,
            sensitive: false,
            write_only: false,
            replaces: false,
            deprecation: None,
            default: None,
            forecast: Forecast::Unknown,
            equivalence: None,
            limits: Vec::new(),
            relations: Vec::new(),
        }
    }

    /// The CLI masks the value.
    #[must_use]
    pub fn sensitive(self) -> Self {
        Self { sensitive: true, ..self }
    }

    /// The value is in the configuration only.
    #[must_use]
    pub fn write_only(self) -> Self {
        Self { write_only: true, ..self }
    }

    /// A change replaces the resource.
    #[must_use]
    pub fn replaces(self) -> Self {
        Self { replaces: true, ..self }
    }

    /// Used when the configuration has none.
    #[must_use]
    pub fn default(self, value: impl Into<Datum>) -> Self {
        Self { default: Some(Value::Value(value.into())), ..self }
    }

    /// Don't use it any more: why, and what instead.
    #[must_use]
    pub fn deprecated(self, instead: &'static str) -> Self {
        Self { deprecation: Some(instead), ..self }
    }

    /// A computed value that an update doesn't change.
    #[must_use]
    pub fn kept(self) -> Self {
        self.kept_unless(&[])
    }

    /// A computed value that an update changes only where one of these attributes of the same object changes.
    #[must_use]
    pub fn kept_unless(self, changed: &'static [&'static str]) -> Self {
        Self { forecast: Forecast::Kept(changed), ..self }
    }

    /// A computed value that is always this after an apply.
    #[must_use]
    pub fn settled(self, value: impl Into<Datum>) -> Self {
        Self { forecast: Forecast::Settled(Value::Value(value.into())), ..self }
    }

    /// A number between `min` and `max`, both included.
    #[must_use]
    pub fn between(self, min: impl Into<Number>, max: impl Into<Number>) -> Self {
        self.limit(Limit::Range(Some(min.into()), Some(max.into())))
    }

    /// A number that is not less than `min`.
    #[must_use]
    pub fn at_least(self, min: impl Into<Number>) -> Self {
        self.limit(Limit::Range(Some(min.into()), None))
    }

    /// A number that is not more than `max`.
    #[must_use]
    pub fn at_most(self, max: impl Into<Number>) -> Self {
        self.limit(Limit::Range(None, Some(max.into())))
    }

    /// A string of `min` to `max` characters, or a collection of as many elements.
    #[must_use]
    pub fn length(self, min: usize, max: usize) -> Self {
        self.limit(Limit::Length(Some(min), Some(max)))
    }

    /// A string or collection that is not empty.
    #[must_use]
    pub fn not_empty(self) -> Self {
        self.limit(Limit::Length(Some(1), None))
    }

    /// One of these strings.
    #[must_use]
    pub fn one_of(self, values: impl IntoIterator<Item = &'static str>) -> Self {
        self.limit(Limit::OneOf(values.into_iter().collect()))
    }

    /// A string for which `holds` is true. `rule` says in plain words what that is, such as "must not contain a slash".
    #[must_use]
    pub fn matching(self, rule: &'static str, holds: fn(&str) -> bool) -> Self {
        self.limit(Limit::Matches(rule, holds))
    }

    /// None of these attributes of the same object is set beside it.
    #[must_use]
    pub fn conflicts_with(self, others: &'static [&'static str]) -> Self {
        self.relation(Relation::ConflictsWith(others))
    }

    /// These attributes of the same object are set as well.
    #[must_use]
    pub fn requires(self, others: &'static [&'static str]) -> Self {
        self.relation(Relation::Requires(others))
    }

    /// One of these attributes of the same object is set, and no more. Declared with the first of them.
    #[must_use]
    pub fn exactly_one_of(self, group: &'static [&'static str]) -> Self {
        self.relation(Relation::ExactlyOneOf(group))
    }

    /// One or several of these attributes of the same object are set. Declared with the first of them.
    #[must_use]
    pub fn at_least_one_of(self, group: &'static [&'static str]) -> Self {
        self.relation(Relation::AtLeastOneOf(group))
    }

    fn limit(mut self, limit: Limit) -> Self {
        self.limits.push(limit);
        self
    }

    fn relation(mut self, relation: Relation) -> Self {
        self.relations.push(relation);
        self
    }

    /// Values that mean the same are no change.
    #[must_use]
    pub fn equivalent_by(self, equivalence: Equivalence) -> Self {
        Self { equivalence: Some(equivalence), ..self }
    }
}

/// Returns the object with the defaults of its attributes where it has null.
#[must_use]
pub fn with_defaults(mut object: Dynamic, attributes: &[Attribute]) -> Dynamic {
    for declared in attributes {
        if let (Value::Null, Some(default)) = (attribute(&object, declared.name), &declared.rules.default) {
            set_attribute(&mut object, declared.name, default.clone());
        }
    }
    object
}
