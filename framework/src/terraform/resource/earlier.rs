//! The models by which earlier releases stored a resource's state, and how today's model is made of them.

use super::super::{
    dynamic::Dynamic,
    model::{Model, decode, encode},
    report::Error,
    schema::Attribute,
    vocabulary::{AttributePath, Value},
};

/// Reads a state of an earlier version, and makes a model of it.
type Upgrade<M> = Box<dyn Fn(&Dynamic) -> Result<Value<M>, Error>>;

/// An earlier version of the model `M`.
///
/// ```
/// use framework::{Earlier, Error, Value, model, optional, required};
///
/// model! {
///     /// A note, as the first release stored it.
///     pub struct FirstNote {
///         /// What it was called.
///         title: String => required(),
///     }
/// }
///
/// model! {
///     /// A note.
///     pub struct Note {
///         /// Its name.
///         name: String => required(),
///         /// Its color.
///         color: String => optional().default("white"),
///     }
/// }
///
/// let earlier = vec![Earlier::of(|first: FirstNote| Ok(Note { name: first.title, color: Value::Value("white".to_owned()) }))];
/// ```
pub struct Earlier<M> {
    attributes: fn() -> Vec<Attribute>,
    upgrade: Upgrade<M>,
}

impl<M: Model> Earlier<M> {
    /// Declares the model `Old`, and how `M` is made of it. What the old model doesn't name is ignored in a stored state.
    pub fn of<Old: Model>(upgrade: fn(Old) -> Result<M, Error>) -> Self {
        let upgrade = move |state: &Dynamic| match decode::<Old>(state, &AttributePath::root())? {
            Value::Value(old) => upgrade(old).map(Value::Value),
            Value::Null => Ok(Value::Null),
            Value::Unknown => Ok(Value::Unknown),
        };
        Self { attributes: Old::attributes, upgrade: Box::new(upgrade) }
    }

    /// Returns the attributes of the earlier version.
    pub(super) fn attributes(&self) -> Vec<Attribute> {
        (self.attributes)()
    }

    /// Returns the state as today's model has it.
    pub(super) fn upgrade(&self, state: &Dynamic) -> Result<Dynamic, Error> {
        (self.upgrade)(state).map(|state| encode(&state))
    }
}
