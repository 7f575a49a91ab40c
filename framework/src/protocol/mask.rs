//! The secrets that have passed through the protocol, so that no log line and no diagnostic shows one, whatever writes it.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    sync::{Arc, PoisonError, RwLock},
};

use aho_corasick::{AhoCorasick, MatchKind};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

use crate::terraform::{Attribute, Datum, Dynamic, Nesting, Number, Type, Value};

/// What a secret is replaced with.
const STARS: &str = "***";

/// The shortest secret in bytes. To replace shorter ones would shred every text: `true` and `http` are found everywhere.
const SHORTEST: usize = 6;

/// Replaces secrets in texts. It learns from values and their schema: those of sensitive and write-only attributes are secret.
#[derive(Clone, Default)]
pub struct Mask(Option<Arc<RwLock<Secrets>>>);

#[derive(Default)]
struct Secrets {
    /// Each secret in all its notations.
    known: BTreeSet<String>,
    /// Finds them; absent until it is needed, and again after a new secret.
    search: Option<AhoCorasick>,
}

impl Mask {
    /// Returns a mask that learns.
    pub fn new() -> Self {
        Self(Some(Arc::default()))
    }

    /// Returns a mask that learns nothing and replaces nothing.
    pub fn idle() -> Self {
        Self(None)
    }

    /// Returns the text without secrets.
    pub fn apply<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Some(secrets) = &self.0 else { return Cow::Borrowed(text) };
        if let Some(search) = &secrets.read().unwrap_or_else(PoisonError::into_inner).search {
            return replace(search, text);
        }
        let mut secrets = secrets.write().unwrap_or_else(PoisonError::into_inner);
        if secrets.known.is_empty() {
            return Cow::Borrowed(text);
        }
        // The longest first: one secret may be part of another. Too many secrets for a search are masked by masking all.
        match AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&secrets.known) {
            Ok(search) => replace(secrets.search.insert(search), text),
            Err(_) => Cow::Borrowed(STARS),
        }
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
                (Nesting::Map, Value::Value(Datum::Map(entries))) => {
                    for entry in entries.values() {
                        self.learn(inner, entry);
                    }
                }
                (_, Value::Value(Datum::List(elements))) => {
                    for element in elements {
                        self.learn(inner, element);
                    }
                }
                (_, object) => self.learn(inner, object),
            }
        }
    }

    fn learn_all(&self, value: &Dynamic) {
        match value {
            Value::Value(Datum::String(text)) => {
                self.add(text);
                // Also line by line: a text of several lines is seldom written with its line ends.
                text.lines().map(str::trim).for_each(|line| self.add(line));
            }
            Value::Value(Datum::Number(number)) => self.add(&digits(number)),
            Value::Value(Datum::List(elements)) => elements.iter().for_each(|element| self.learn_all(element)),
            Value::Value(Datum::Map(entries)) => entries.values().for_each(|entry| self.learn_all(entry)),
            Value::Value(Datum::Typed(_, value)) => self.learn_all(value),
            _ => {}
        }
    }

    fn add(&self, secret: &str) {
        let Some(secrets) = self.0.as_ref().filter(|_| secret.len() >= SHORTEST) else { return };
        if secrets.read().unwrap_or_else(PoisonError::into_inner).known.contains(secret) {
            return;
        }
        let mut secrets = secrets.write().unwrap_or_else(PoisonError::into_inner);
        secrets.known.extend(notations(secret));
        secrets.search = None;
    }
}

fn replace<'a>(search: &AhoCorasick, text: &'a str) -> Cow<'a, str> {
    let mut found = search.find_iter(text).peekable();
    if found.peek().is_none() {
        return Cow::Borrowed(text);
    }
    let (mut masked, mut end) = (String::with_capacity(text.len()), 0);
    for secret in found {
        masked.push_str(&text[end..secret.start()]);
        masked.push_str(STARS);
        end = secret.end();
    }
    masked.push_str(&text[end..]);
    Cow::Owned(masked)
}

/// Returns the secret as it is, and as it is found inside of other notations: a Rust string, JSON, a URL, and the base64 of Secrets and
/// kubeconfigs, whose padding is left out so that both kinds match.
fn notations(secret: &str) -> [String; 6] {
    let unquoted = |quoted: String| quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default().to_owned();
    let percent = secret.bytes().fold(String::new(), |mut url, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
        url
    });
    [
        secret.to_owned(),
        unquoted(format!("{secret:?}")),
        unquoted(serde_json::Value::from(secret).to_string()),
        percent,
        STANDARD_NO_PAD.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
    ]
}

fn digits(number: &Number) -> String {
    match number {
        Number::Int(number) => number.to_string(),
        Number::Uint(number) => number.to_string(),
        Number::Float(number) => number.to_string(),
        Number::Decimal(number) => number.clone(),
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
            /// PIN.
            pin: i64 => optional().sensitive(),
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

    fn text(text: &str) -> Value<String> {
        Value::Value(text.to_owned())
    }

    fn knowing(access: Access) -> Mask {
        let mask = Mask::new();
        mask.learn(&Access::attributes(), &encode(&Value::Value(access)));
        mask
    }

    #[test]
    fn what_the_schema_calls_secret_is_masked_wherever_it_stands() {
        let access = Access { host: text("eu.example.com"), token: text("token-1"), ..Access::default() };
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
    fn a_secret_is_masked_in_every_notation() {
        let secret = "pa\"ss\\wo/rd\u{e9}\n?>";
        let mask = knowing(Access { token: text(secret), pin: Value::Value(123_456), ..Access::default() });
        let json = serde_json::json!({ "token": secret }).to_string();
        let base64 = base64::engine::general_purpose::STANDARD.encode(secret);
        for (written, masked) in [
            (format!("{secret:?}"), "\"***\"".to_owned()),
            (json, r#"{"token":"***"}"#.to_owned()),
            (format!("?token={}", "pa%22ss%5Cwo%2Frd%C3%A9%0A%3F%3E"), "?token=***".to_owned()),
            (format!("token: {base64}"), format!("token: ***{}", &base64[base64.trim_end_matches('=').len()..])),
            ("pin=123456".to_owned(), "pin=***".to_owned()),
        ] {
            assert_eq!(mask.apply(&written), masked);
        }
    }

    #[test]
    fn a_secret_that_is_learned_later_is_masked_too() {
        let mask = knowing(Access { token: text("first-token"), ..Access::default() });
        assert_eq!(mask.apply("first-token second-token"), "*** second-token");
        mask.learn(&Access::attributes(), &encode(&Value::Value(Access { token: text("second-token"), ..Access::default() })));
        assert_eq!(mask.apply("first-token second-token"), "*** ***");
    }

    #[test]
    fn a_short_secret_does_not_shred_the_log() {
        let mask = knowing(Access { token: text("http"), pin: Value::Value(1), ..Access::default() });
        assert_eq!(mask.apply("http answer 1"), "http answer 1");
    }
}
