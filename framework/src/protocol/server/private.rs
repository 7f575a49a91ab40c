//! The private bytes that a CLI keeps beside a state and a plan: what the framework notes about applies that did not finish.

use serde::{Deserialize, Serialize};

use super::stored;
use crate::terraform::{AnyResource, Attribute, Datum, Dynamic, Error, Json, Memory, Number, Schema, Unfinished, Value};

/// The version of this format. Bytes of another version are passed on unread.
const VERSION: u32 = 1;

/// The change that a plan makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// The CLI knows of no object, or counts the one it knows of as tainted.
    Create,
    /// The creating half of a replacement that the plan of the update asked for.
    Replace,
    Update,
    Destroy,
}

/// What the private bytes hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Private {
    version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unfinished: Option<Stored>,
    /// In the bytes of a plan only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) plan: Option<Kind>,
    /// In the bytes of a plan only: the unfinished create that it goes on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) resumes: Option<String>,
    /// What the resource remembers.
    #[serde(default, skip_serializing_if = "Memory::is_empty")]
    pub(super) memory: Memory,
    /// Bytes that this format did not write.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    other: Vec<u8>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Stored {
    is_create: bool,
    #[serde(default)]
    attempted: Vec<Attempt>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Attempt {
    /// Version of the schema that wrote the inputs.
    version: i64,
    inputs: Json,
}

impl Private {
    pub(super) fn read(bytes: &[u8]) -> Self {
        match serde_json::from_slice::<Self>(bytes) {
            Ok(private) if private.version == VERSION => private,
            _ => Self { version: VERSION, other: bytes.to_vec(), ..Self::default() },
        }
    }

    /// The bytes; those that this format did not write, if there is nothing to add.
    pub(super) fn write(&self) -> Vec<u8> {
        if self.unfinished.is_none() && self.plan.is_none() && self.resumes.is_none() && self.memory.is_empty() {
            return self.other.clone();
        }
        // Only a map with keys that are not strings fails, and there is none.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The bytes with the unfinished create that a plan goes on with.
    #[must_use]
    pub(super) fn resuming(self, resumes: Option<String>) -> Self {
        Self { resumes, ..self }
    }

    /// The bytes of a plan.
    #[must_use]
    pub(super) fn planned(self, plan: Kind) -> Self {
        Self { plan: Some(plan), ..self }
    }

    /// The bytes of a state.
    #[must_use]
    pub(super) fn applied(self, unfinished: Option<&Unfinished>, version: i64) -> Self {
        let stored = |unfinished: &Unfinished| Stored {
            is_create: unfinished.is_create,
            attempted: unfinished.attempted.iter().map(|inputs| Attempt { version, inputs: json(inputs) }).collect(),
        };
        Self { unfinished: unfinished.map(stored), plan: None, resumes: None, ..self }
    }

    pub(super) fn is_unfinished(&self) -> bool {
        self.unfinished.is_some()
    }

    pub(super) fn is_unfinished_create(&self) -> bool {
        self.unfinished.as_ref().is_some_and(|unfinished| unfinished.is_create)
    }

    /// What the bytes note of applies that did not finish. Inputs that can no longer be read are left out.
    pub(super) fn unfinished<W>(&self, schema: &Schema, of: &dyn AnyResource<W>) -> Option<Unfinished> {
        let read = |attempt: &Attempt| -> Result<Dynamic, Error> {
            let json = attempt.inputs.to_string();
            // They hold no secrets.
            stored::read(of, schema, attempt.version, &stored::State { json: json.as_bytes(), learn: |_: &[Attribute], _: &Dynamic| {} })
        };
        let attempts = |attempted: &[Attempt]| {
            let read = attempted.iter().map(read).inspect(|read| {
                if let Err(error) = read {
                    tracing::warn!(resource = of.name(), error = error.detail, "the inputs of an apply that failed can't be read");
                }
            });
            read.filter_map(Result::ok).collect()
        };
        self.unfinished.as_ref().map(|stored| Unfinished { is_create: stored.is_create, attempted: attempts(&stored.attempted) })
    }
}

/// A value as a state file holds it.
pub(super) fn json(value: &Dynamic) -> Json {
    match value {
        Value::Null | Value::Unknown => Json::Null,
        Value::Value(Datum::String(text)) => text.as_str().into(),
        Value::Value(Datum::Bool(truth)) => (*truth).into(),
        Value::Value(Datum::Number(Number::Int(int))) => (*int).into(),
        // As a string, so that no digit is lost; it is read as a number again.
        Value::Value(Datum::Number(number)) => number.to_string().into(),
        Value::Value(Datum::List(elements)) => elements.iter().map(json).collect(),
        Value::Value(Datum::Map(entries)) => entries.iter().map(|(key, entry)| (key.clone(), json(entry))).collect(),
        Value::Value(Datum::Typed(ty, value)) => {
            let ty: Json = serde_json::from_str(&ty.to_string()).unwrap_or_default();
            [("type".to_owned(), ty), ("value".to_owned(), json(value))].into_iter().collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_another_writer_are_passed_on_unread() {
        for bytes in [&b""[..], b"theirs", br#"{"version": 2, "news": 1}"#] {
            let private = Private::read(bytes);
            assert_eq!(private.write(), bytes);
            let planned = Private::read(&private.planned(Kind::Update).write());
            assert_eq!(planned.plan, Some(Kind::Update));
            assert_eq!(planned.applied(None, 0).write(), bytes);
        }
    }

    #[test]
    fn what_is_remembered_goes_through_plan_and_apply() {
        let mut private = Private::read(b"");
        private.memory.insert("us".to_owned(), "its UID".to_owned());
        let planned = Private::read(&Private::read(&private.write()).planned(Kind::Update).write());
        assert_eq!(Private::read(&planned.applied(None, 0).write()).memory, private.memory);
    }
}
