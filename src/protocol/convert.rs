//! Schemas, paths and diagnostics as the wire has them.

use super::wire::{self, attribute_path::step::Selector, diagnostic::Severity, schema::object::NestingMode};
use crate::terraform::{
    Attribute, AttributeConstraint, AttributePath, AttributePathStep, Diagnostic, Diagnostics, Function, Nesting, Parameter, Schema, Type,
    plain_type,
};

pub(super) fn schema(schema: &Schema) -> wire::Schema {
    wire::Schema {
        version: schema.version,
        block: Some(wire::schema::Block {
            version: schema.version,
            attributes: schema.attributes.iter().map(attribute).collect(),
            description: schema.description.clone(),
            description_kind: wire::StringKind::Markdown.into(),
            ..wire::schema::Block::default()
        }),
    }
}

fn attribute(attribute: &Attribute) -> wire::schema::Attribute {
    let constraint = attribute.constraint();
    // With both a type and a nested type the CLIs refuse the schema.
    let (ty, nested_type) = match &attribute.ty {
        Type::Plain(plain) => (plain.to_string().into_bytes(), None),
        Type::Nested(nesting, attributes) => (Vec::new(), Some(nested(*nesting, attributes))),
    };
    wire::schema::Attribute {
        name: attribute.name.to_owned(),
        r#type: ty,
        nested_type,
        description: attribute.description.clone(),
        description_kind: wire::StringKind::Markdown.into(),
        required: constraint == AttributeConstraint::Required,
        optional: matches!(constraint, AttributeConstraint::Optional | AttributeConstraint::OptionalComputed),
        computed: matches!(constraint, AttributeConstraint::Computed | AttributeConstraint::OptionalComputed),
        sensitive: attribute.rules.sensitive,
        write_only: attribute.rules.write_only,
        deprecated: attribute.rules.deprecation.is_some(),
        deprecation_message: attribute.rules.deprecation.unwrap_or_default().to_owned(),
    }
}

fn nested(nesting: Nesting, attributes: &[Attribute]) -> wire::schema::Object {
    let nesting = match nesting {
        Nesting::Single => NestingMode::Single,
        Nesting::List => NestingMode::List,
        Nesting::Map => NestingMode::Map,
    };
    wire::schema::Object { attributes: attributes.iter().map(attribute).collect(), nesting: nesting.into() }
}

pub(super) fn function(function: &dyn Function) -> wire::Function {
    let ty = |ty: &Type| plain_type(ty).to_string().into_bytes();
    let parameter = |parameter: Parameter| wire::function::Parameter {
        name: parameter.name.to_owned(),
        r#type: ty(&parameter.ty),
        description: parameter.description.to_owned(),
        description_kind: wire::StringKind::Markdown.into(),
        ..wire::function::Parameter::default()
    };
    wire::Function {
        parameters: function.parameters().into_iter().map(parameter).collect(),
        r#return: Some(wire::function::Return { r#type: ty(&function.returns()) }),
        summary: function.summary().to_owned(),
        description: function.description().to_owned(),
        description_kind: wire::StringKind::Markdown.into(),
        ..wire::Function::default()
    }
}

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
