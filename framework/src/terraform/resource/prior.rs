//! What an apply or a delete may find in place: the inputs of the last finished apply, and those of applies that failed after it.

use super::{
    super::{
        call::load_stored,
        dynamic::{Datum, Dynamic, set_attribute, without_unknowns},
        model::Model,
        parse::Parse,
        report::Report,
        schema::{Attribute, Nesting, Type},
        vocabulary::{AttributeConstraint, Value},
    },
    Resource,
};

/// What is known of an object whose last apply did not finish. It is kept in the private state, beside the attributes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unfinished {
    /// The object was never complete: its create failed. The attributes in the state are then an attempt themselves.
    pub is_create: bool,
    /// The inputs of the updates that failed since the state was written, as planned, without secrets and computed values.
    pub attempted: Vec<Dynamic>,
}

impl Unfinished {
    /// Notes an update that failed, unless its inputs are those of the state.
    pub(super) fn attempt(&mut self, inputs: Dynamic, of_state: &Dynamic) {
        if inputs != *of_state && !self.attempted.contains(&inputs) {
            self.attempted.push(inputs);
        }
    }
}

/// What may be in place when an apply begins.
#[derive(Clone, Debug)]
pub struct Prior<S> {
    exists: bool,
    finished: Option<S>,
    attempted: Vec<S>,
}

impl<S> Prior<S> {
    /// Nothing: the apply creates.
    pub fn none() -> Self {
        Self { exists: false, finished: None, attempted: Vec::new() }
    }

    /// An object that a finished apply left with these inputs.
    pub fn of(finished: S) -> Self {
        Self { exists: true, finished: Some(finished), attempted: Vec::new() }
    }

    /// Adds the inputs of an apply that failed.
    #[must_use]
    pub fn and_attempted(mut self, spec: S) -> Self {
        self.exists = true;
        self.attempted.push(spec);
        self
    }

    /// Whether the state holds no object: what exists in the world is not this resource's. Not so after a create that failed halfway, and
    /// not for a state that can no longer be parsed.
    pub fn is_none(&self) -> bool {
        !self.exists
    }

    /// The inputs that the last finished apply put in place. `None` on creation, after a create that failed, and when the stored inputs
    /// can no longer be parsed.
    pub fn finished(&self) -> Option<&S> {
        self.finished.as_ref()
    }

    /// All inputs of which something may be in place: those of the last finished apply first, then those of each apply that failed since.
    pub fn in_place(&self) -> impl Iterator<Item = &S> {
        self.finished.iter().chain(&self.attempted)
    }
}

/// Reads what may be in place.
pub(super) fn read<R: Resource>(
    state: &Dynamic,
    unfinished: Option<&Unfinished>,
    parse: impl Fn(&R::Model, &mut Parse<'_>) -> Option<R::Spec>,
) -> Prior<R::Spec> {
    // A state that can no longer be parsed does not prevent its update.
    let load = |value: &Dynamic| load_stored::<R::Model, _>(R::NAME, value, &mut Report::new(), &parse).map(|(_, spec)| spec);
    if state.is_null() {
        return Prior::none();
    }
    let of_state = load(state);
    let is_create = unfinished.is_some_and(|unfinished| unfinished.is_create);
    let (finished, first_attempt) = if is_create { (None, of_state) } else { (of_state, None) };
    let later = unfinished.into_iter().flat_map(|unfinished| &unfinished.attempted).filter_map(load);
    Prior { exists: true, finished, attempted: first_attempt.into_iter().chain(later).collect() }
}

/// The inputs of a plan, fit to be kept: without unknown, computed, sensitive and write-only values.
pub(super) fn inputs<M: Model>(planned: &Dynamic) -> Dynamic {
    let mut inputs = without_unknowns(planned.clone());
    strip(&mut inputs, &M::attributes());
    inputs
}

fn strip(object: &mut Dynamic, attributes: &[Attribute]) {
    for of in attributes {
        if of.rules.sensitive || of.rules.write_only || of.rules.constraint == AttributeConstraint::Computed {
            set_attribute(object, of.name, Value::Null);
        } else if let (Type::Nested(nesting, inner), Value::Value(Datum::Map(outer))) = (&of.ty, &mut *object)
            && let Some(nested) = outer.get_mut(of.name)
        {
            match (nesting, nested) {
                (Nesting::Single, object) => strip(object, inner),
                (_, Value::Value(Datum::List(elements))) => elements.iter_mut().for_each(|element| strip(element, inner)),
                (_, Value::Value(Datum::Map(entries))) => entries.values_mut().for_each(|entry| strip(entry, inner)),
                _ => {}
            }
        }
    }
}
