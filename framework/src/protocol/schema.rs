//! What the provider has, as the wire describes it: schemas, identities, functions.

use super::wire::{self, schema::object::NestingMode};
use crate::terraform::{Attribute, AttributeConstraint, AttributeType, Function, Identity, Nesting, Parameter, Schema, Type, plain_type};

pub(super) fn schema(schema: &Schema) -> wire::Schema {
    wire::Schema {
        version: schema.version,
        block: Some(wire::schema::Block {
            version: schema.version,
            attributes: schema.attributes.iter().map(attribute).collect(),
            description: schema.description.clone(),
            description_kind: wire::StringKind::Markdown.into(),
            deprecated: schema.deprecation.is_some(),
            deprecation_message: schema.deprecation.unwrap_or_default().to_owned(),
            block_types: Vec::new(),
        }),
    }
}

fn attribute(attribute: &Attribute) -> wire::schema::Attribute {
    let constraint = attribute.constraint();
    // With both a type and a nested type the CLIs refuse the schema.
    let (ty, nested_type) = match &attribute.ty {
        Type::Plain(plain) => (type_constraint(plain), None),
        Type::Nested(nesting, attributes) => (Vec::new(), Some(nested(*nesting, attributes))),
    };
    wire::schema::Attribute {
        name: attribute.name.to_owned(),
        r#type: ty,
        nested_type,
        description: attribute.documentation(),
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
        Nesting::Set => NestingMode::Set,
        Nesting::Map => NestingMode::Map,
    };
    wire::schema::Object { attributes: attributes.iter().map(attribute).collect(), nesting: nesting.into() }
}

/// Returns a type as the protocol carries it: JSON, here with the attributes of objects in the order of their names, so that a schema is the
/// same in every process.
fn type_constraint(ty: &AttributeType) -> Vec<u8> {
    let text = ty.to_string();
    serde_json::from_str::<serde_json::Value>(&text).map_or(text, |json| json.to_string()).into_bytes()
}

pub(super) fn identity(identity: &Identity) -> wire::ResourceIdentitySchema {
    let attributes = identity.attributes().iter().map(|attribute| wire::resource_identity_schema::IdentityAttribute {
        name: attribute.name.clone(),
        r#type: type_constraint(&attribute.ty),
        required_for_import: attribute.default.is_none(),
        optional_for_import: attribute.default.is_some(),
        description: attribute.description.clone(),
    });
    wire::ResourceIdentitySchema { version: identity.version(), identity_attributes: attributes.collect() }
}

pub(super) fn function(function: &dyn Function) -> wire::Function {
    let ty = |ty: &Type| type_constraint(&plain_type(ty));
    let parameter = |parameter: Parameter| wire::function::Parameter {
        name: parameter.name.to_owned(),
        r#type: ty(&parameter.ty),
        description: parameter.description.to_owned(),
        description_kind: wire::StringKind::Markdown.into(),
        ..wire::function::Parameter::default()
    };
    wire::Function {
        parameters: function.parameters().into_iter().map(parameter).collect(),
        variadic_parameter: function.variadic().map(parameter),
        r#return: Some(wire::function::Return { r#type: ty(&function.returns()) }),
        summary: function.summary().to_owned(),
        description: function.description().to_owned(),
        description_kind: wire::StringKind::Markdown.into(),
        ..wire::Function::default()
    }
}
