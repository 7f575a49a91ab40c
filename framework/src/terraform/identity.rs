//! The identity of an object, which distinguishes it from all others of its type: some of its attributes, under their last names, or under their whole
//! paths where two would have one name.

use std::collections::BTreeMap;

use super::{
    dynamic::{Datum, Dynamic, Number, attribute},
    model::plain_type,
    report::Error,
    schema::{Attribute, Type},
    vocabulary::{AttributePath, AttributeType, Value},
};

/// The identity of a resource's objects, computed from the resource's attributes, so that state and identity always agree.
pub struct Identity {
    attributes: Vec<IdentityAttribute>,
    version: i64,
}

/// An attribute of an identity.
pub struct IdentityAttribute {
    /// The last part of the path, or if an attribute before it has that name, the whole path: `remote_cluster` for `remote.cluster`.
    pub name: String,
    /// Markdown.
    pub description: String,
    /// What it holds.
    pub ty: AttributeType,
    /// Used when an import leaves the attribute out; without a default, an import must set it.
    pub default: Option<Dynamic>,
    path: &'static str,
}

impl Identity {
    /// The identity that the attributes at `paths` make up. `None` without any, and where one of them does not exist.
    pub fn new(paths: &[&'static str], attributes: &[Attribute]) -> Option<Self> {
        let of = |(name, path): (String, &&'static str)| {
            let found = find_attribute(attributes, path)?;
            Some(IdentityAttribute {
                name,
                description: found.description.clone(),
                ty: plain_type(&found.ty),
                default: found.rules.default.clone(),
                path,
            })
        };
        let identity: Vec<_> = names(paths).into_iter().zip(paths).map(of).collect::<Option<_>>()?;
        (!identity.is_empty()).then_some(Self { attributes: identity, version: 0 })
    }

    /// The same identity, in another version.
    #[must_use]
    pub fn of_version(self, version: i64) -> Self {
        Self { version, ..self }
    }

    /// Its version; see [`Resource::IDENTITY_VERSION`](super::Resource::IDENTITY_VERSION).
    pub fn version(&self) -> i64 {
        self.version
    }

    /// Its attributes, in the order of an import ID.
    pub fn attributes(&self) -> &[IdentityAttribute] {
        &self.attributes
    }

    /// Its type.
    pub fn ty(&self) -> AttributeType {
        AttributeType::Object(self.attributes.iter().map(|attribute| (attribute.name.clone(), attribute.ty.clone())).collect())
    }

    /// The identity of the object with this state. `None` while a part of it is unknown, and for a null state.
    pub fn of(&self, state: &Dynamic) -> Option<Dynamic> {
        let part = |of: &IdentityAttribute| {
            let value = of.path.split('.').fold(state, |object, name| attribute(object, name));
            value.is_value().then(|| (of.name.clone(), value.clone()))
        };
        let parts = self.attributes.iter().map(part).collect::<Option<BTreeMap<_, _>>>()?;
        Some(Value::Value(Datum::Map(parts)))
    }

    /// The import ID of the object with this identity: `us/istio-system/mesh-root-ca`.
    pub fn import_name(&self, identity: &Dynamic) -> Result<String, Error> {
        let part = |of: &IdentityAttribute| {
            let given = attribute(identity, &of.name);
            match if given.is_null() { of.default.as_ref().unwrap_or(given) } else { given } {
                Value::Value(Datum::String(text)) => Ok(text.clone()),
                Value::Value(Datum::Number(number)) => Ok(number.to_string()),
                _ => {
                    let wanted = format!("An import by identity needs `{}`.", of.name);
                    Err(Error::new("Incomplete identity", wanted).at(AttributePath::new(of.name.clone())))
                }
            }
        };
        Ok(self.attributes.iter().map(part).collect::<Result<Vec<_>, _>>()?.join("/"))
    }

    /// The identity of the object with this import ID. `None` where the ID does not have that form.
    pub fn of_import_name(&self, name: &str) -> Option<Dynamic> {
        let parts: Vec<_> = name.split('/').collect();
        if parts.len() != self.attributes.len() {
            return None;
        }
        let part = |(of, part): (&IdentityAttribute, &str)| {
            let datum = match of.ty {
                AttributeType::String => Datum::String(part.to_owned()),
                AttributeType::Number => Datum::Number(Number::Int(part.parse().ok()?)),
                _ => return None,
            };
            Some((of.name.clone(), Value::Value(datum)))
        };
        let parts = self.attributes.iter().zip(parts).map(part).collect::<Option<BTreeMap<_, _>>>()?;
        Some(Value::Value(Datum::Map(parts)))
    }
}

/// Returns the names in an identity of the attributes at these paths.
pub(crate) fn names(paths: &[&str]) -> Vec<String> {
    fn last(path: &str) -> &str {
        path.rsplit('.').next().unwrap_or(path)
    }
    let name = |(number, path): (usize, &&str)| {
        let is_taken = paths[..number].iter().any(|earlier| last(earlier) == last(path));
        if is_taken { path.replace('.', "_") } else { last(path).to_owned() }
    };
    paths.iter().enumerate().map(name).collect()
}

/// Returns the attribute at a path such as `gateway.cluster`.
pub(crate) fn find_attribute<'a>(attributes: &'a [Attribute], path: &str) -> Option<&'a Attribute> {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let found = attributes.iter().find(|attribute| attribute.name == name)?;
    match (rest, &found.ty) {
        (None, _) => Some(found),
        (Some(rest), Type::Nested(_, inner)) => find_attribute(inner, rest),
        (Some(_), Type::Plain(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model,
        terraform::{Model as _, encode, optional, required},
    };

    model! {
        /// Where.
        pub struct Gateway {
            /// The cluster.
            cluster: String => required(),
        }
    }

    model! {
        /// What.
        pub struct Export {
            /// The gateway.
            gateway: Gateway => required(),
            /// The namespace.
            namespace: String => optional().default("default"),
            /// The port.
            port: i64 => required(),
        }
    }

    fn identity() -> Identity {
        Identity::new(&["gateway.cluster", "namespace", "port"], &Export::attributes()).expect("an identity")
    }

    #[test]
    fn state_identity_and_name_are_one() {
        let state = encode(&Value::Value(Export {
            gateway: Value::Value(Gateway { cluster: Value::Value("eu".to_owned()) }),
            namespace: Value::Value("echo".to_owned()),
            port: Value::Value(80),
        }));
        let of_state = identity().of(&state).expect("an identity");
        assert_eq!(attribute(&of_state, "cluster"), &Value::Value("eu".into()));
        assert_eq!(identity().import_name(&of_state).expect("a name"), "eu/echo/80");
        assert_eq!(identity().of_import_name("eu/echo/80"), Some(of_state));
        assert_eq!(identity().of_import_name("eu/echo"), None);
    }

    #[test]
    fn two_attributes_of_one_name_are_told_apart_by_their_paths() {
        model! {
            /// What.
            pub struct Pair {
                /// One.
                cluster: String => required(),
                /// The other.
                remote: Gateway => required(),
            }
        }
        let identity = Identity::new(&["cluster", "remote.cluster"], &Pair::attributes()).expect("an identity");
        let names: Vec<_> = identity.attributes().iter().map(|attribute| attribute.name.as_str()).collect();
        assert_eq!(names, ["cluster", "remote_cluster"]);
        let of_name = identity.of_import_name("us/eu").expect("an identity");
        assert_eq!(identity.import_name(&of_name).expect("a name"), "us/eu");
    }

    #[test]
    fn what_is_left_out_has_its_default_or_is_asked_for() {
        let given = |parts: &[(&str, Datum)]| {
            Value::Value(Datum::Map(parts.iter().map(|(name, datum)| ((*name).to_owned(), Value::Value(datum.clone()))).collect()))
        };
        assert_eq!(identity().import_name(&given(&[("cluster", "eu".into()), ("port", 80.into())])).expect("a name"), "eu/default/80");
        let missing = identity().import_name(&given(&[("cluster", "eu".into())])).expect_err("no name");
        assert_eq!(missing.path, AttributePath::new("port"));
        assert!(identity().of(&Value::Null).is_none());
    }
}
