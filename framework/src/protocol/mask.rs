//! The secrets that have come by, so that logs leave them out whoever writes them.

use std::{
    borrow::Cow,
    sync::{Arc, PoisonError, RwLock},
};

use crate::terraform::{Attribute, Datum, Dynamic, Nesting, Type, Value};

/// What stands for a secret.
const STARS: &str = "***";

/// What is shorter can't be found in a text without finding it everywhere.
const SHORTEST: usize = 4;

/// Replaces secrets in texts. What is secret it learns from the schemas: sensitive and write-only attributes.
#[derive(Clone, Default)]
pub struct Mask(Option<Arc<RwLock<Vec<String>>>>);

impl Mask {
    /// A mask that learns.
    pub fn new() -> Self {
        Self(Some(Arc::default()))
    }

    /// A mask that doesn't, for when nothing is logged.
    pub fn idle() -> Self {
        Self(None)
    }

    /// The text without secrets.
    pub fn apply<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut masked = Cow::Borrowed(text);
        if let Some(secrets) = &self.0 {
            for secret in secrets.read().unwrap_or_else(PoisonError::into_inner).iter() {
                if masked.contains(secret.as_str()) {
                    masked = Cow::Owned(masked.replace(secret.as_str(), STARS));
                }
            }
        }
        masked
    }

    /// Learns the secrets among the values of these attributes.
    pub(super) fn learn(&self, attributes: &[Attribute], object: &Dynamic) {
        let (Some(_), Value::Value(Datum::Map(values))) = (&self.0, object) else { return };
        for attribute in attributes {
            let Some(value) = values.get(attribute.name) else { continue };
            if attribute.rules.sensitive || attribute.rules.write_only {
                self.learn_all(value);
                continue;
            }
            let Type::Nested(nesting, inner) = &attribute.ty else { continue };
            match (nesting, value) {
                (Nesting::List, Value::Value(Datum::List(elements))) => {
                    for element in elements {
                        self.learn(inner, element);
                    }
                }
                (Nesting::Map, Value::Value(Datum::Map(entries))) => {
                    for entry in entries.values() {
                        self.learn(inner, entry);
                    }
                }
                (_, object) => self.learn(inner, object),
            }
        }
    }

    fn learn_all(&self, value: &Dynamic) {
        match value {
            // Line by line, as a text of several lines is seldom logged with its line ends.
            Value::Value(Datum::String(text)) => text.lines().map(str::trim).for_each(|line| self.add(line)),
            Value::Value(Datum::List(elements)) => elements.iter().for_each(|element| self.learn_all(element)),
            Value::Value(Datum::Map(entries)) => entries.values().for_each(|entry| self.learn_all(entry)),
            Value::Value(Datum::Typed(_, value)) => self.learn_all(value),
            _ => {}
        }
    }

    fn add(&self, secret: &str) {
        let Some(secrets) = self.0.as_ref().filter(|_| secret.len() >= SHORTEST) else { return };
        let mut secrets = secrets.write().unwrap_or_else(PoisonError::into_inner);
        // The longest first: one secret may be part of another.
        let place = secrets.partition_point(|known| (known.len(), known.as_str()) > (secret.len(), secret));
        if secrets.get(place).is_none_or(|known| known != secret) {
            secrets.insert(place, secret.to_owned());
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
        /// Access.
        pub struct Access {
            /// Host.
            host: String => optional(),
            /// Token.
            token: String => optional().sensitive(),
        }
    }

    model! {
        /// Settings.
        pub struct Settings {
            /// Accesses.
            accesses: std::collections::BTreeMap<String, Value<Access>> => optional(),
            /// Key.
            key_wo: String => optional().write_only(),
        }
    }

    #[test]
    fn what_the_schema_calls_secret_is_masked_wherever_it_stands() {
        let text = |text: &str| Value::Value(text.to_owned());
        let access = Access { host: text("eu.example.com"), token: text("token-1") };
        let settings = Settings {
            accesses: Value::Value([("eu".to_owned(), Value::Value(access))].into()),
            key_wo: text("-----BEGIN KEY-----\ntoken-1-and-more\n"),
        };
        let mask = Mask::new();
        mask.learn(&Settings::attributes(), &encode(&Value::Value(settings.clone())));
        assert_eq!(mask.apply("GET eu.example.com with token-1, token-1-and-more"), "GET eu.example.com with ***, ***");

        let idle = Mask::idle();
        idle.learn(&Settings::attributes(), &encode(&Value::Value(settings)));
        assert_eq!(idle.apply("token-1"), "token-1");
    }

    #[test]
    fn a_short_secret_does_not_shred_the_log() {
        let mask = Mask::new();
        mask.learn(&Access::attributes(), &encode(&Value::Value(Access { token: Value::Value("a".to_owned()), ..Access::default() })));
        assert_eq!(mask.apply("an answer"), "an answer");
    }
}
