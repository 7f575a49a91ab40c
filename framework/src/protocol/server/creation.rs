//! Creates that failed halfway, and the replacements by which a CLI goes on with them.
//!
//! Both CLIs mark the object of a failed create as tainted, and plan its replacement: a create with a null prior state and no private bytes,
//! whose private bytes the delete half is applied with. No other delete has such bytes: those of a destroy are of a plan with a prior state,
//! and those of any other replacement are of a plan that got the private bytes of the update planned before. So this delete is recognized,
//! and leaves in place what the create half takes up, if the refresh before the plan has read that the create was ours and unfinished, and
//! if nothing that identifies the object differs.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use base64::Engine as _;

use super::private::{Private, json};
use crate::terraform::{Attribute, Datum, Dynamic, Error, Identity, Json, Type, Unfinished, Value, attribute};

/// The object of an unfinished create that the delete half of its replacement has left in place.
pub(super) struct Left {
    pub(super) state: Dynamic,
    pub(super) unfinished: Option<Unfinished>,
}

/// What this process knows of unfinished creates, by [`key`].
#[derive(Default)]
pub(super) struct Creations {
    seen: Mutex<BTreeMap<String, Private>>,
    left: Mutex<BTreeMap<String, Left>>,
}

impl Creations {
    /// A refresh has read an object whose create did not finish.
    pub(super) fn see(&self, key: String, private: Private) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(key, private);
    }

    /// The private bytes of the object with this key, if its create did not finish.
    pub(super) fn seen(&self, key: &str) -> Option<Private> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Leaves an object to the create half.
    pub(super) fn leave(&self, key: String, left: Left) {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).insert(key, left);
    }

    /// Takes up the object that the delete half left.
    pub(super) fn take(&self, key: &str) -> Option<Left> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).remove(key)
    }
}

/// A digest of the type, the identity, and all values whose change replaces the object. `None` while one of them is unknown, and without
/// an identity.
pub(super) fn key(name: &str, identity: Option<&Identity>, attributes: &[Attribute], state: &Dynamic) -> Option<String> {
    let mut fixed = vec![name.into(), json(&identity?.of(state)?)];
    replacing(attributes, state, &mut fixed)?;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, Json::Array(fixed).to_string().as_bytes());
    Some(base64::engine::general_purpose::STANDARD_NO_PAD.encode(digest))
}

fn replacing(attributes: &[Attribute], object: &Dynamic, fixed: &mut Vec<Json>) -> Option<()> {
    for of in attributes {
        let value = attribute(object, of.name);
        if of.rules.replaces {
            if is_unknown(value) {
                return None;
            }
            fixed.push(json(value));
        } else if let Type::Nested(_, inner) = &of.ty {
            match value {
                Value::Value(Datum::List(elements)) => elements.iter().try_for_each(|element| replacing(inner, element, fixed))?,
                Value::Value(Datum::Map(_)) if inner.iter().any(|of| !attribute(value, of.name).is_null()) => {
                    replacing(inner, value, fixed)?;
                }
                Value::Value(Datum::Map(entries)) => entries.values().try_for_each(|entry| replacing(inner, entry, fixed))?,
                _ => {}
            }
        }
    }
    Some(())
}

fn is_unknown(value: &Dynamic) -> bool {
    match value {
        Value::Unknown => true,
        Value::Value(Datum::List(elements)) => elements.iter().any(is_unknown),
        Value::Value(Datum::Map(entries)) => entries.values().any(is_unknown),
        _ => false,
    }
}

/// The warning of a plan that replaces the object of an unfinished create.
pub(super) fn warning(is_resumed: bool) -> Error {
    if is_resumed {
        return Error::new(
            "The creation continues",
            "The last creation of this object did not finish, so it is tainted and shown as replaced. The provider deletes nothing: it keeps \
             what exists and continues the creation. With `create_before_destroy`, run `terraform untaint` (or `tofu untaint`) on the \
             resource first.",
        );
    }
    Error::new(
        "The creation starts over",
        "The last creation of this object did not finish, so it is tainted: it is deleted and created again. To continue with what exists \
         instead, run `terraform untaint` (or `tofu untaint`) on the resource.",
    )
}
