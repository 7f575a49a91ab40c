//! Finds the object of a state from which no inputs can be made any more, by what identifies it: the weakest of the three ways to read a
//! state. So an object can be refreshed and destroyed whatever else its state holds.

use super::{
    super::{
        call::load_stored,
        context::Cx,
        dynamic::Dynamic,
        identity::Identity,
        model::{Model, encode},
        parse::{Parse, Parsed},
        report::{Error, Report},
        schema::with_defaults,
        vocabulary::Value,
    },
    Resource,
};

/// What an identity leads to.
pub(super) enum Found<S> {
    /// An object with these inputs.
    Object(S),
    /// An object; of its inputs only those that identify it can be relied on.
    Identified(S),
    /// Nothing: the object is gone.
    Nothing,
    /// It can't be told, for this reason if there is one.
    Unclear(Option<Error>),
}

/// Looks for the object as an import does.
pub(super) async fn find<R: Resource>(
    state: &Dynamic,
    cx: &Cx<'_, R::World>,
    parse: impl Fn(&R::Model, &mut Parse<'_>) -> Option<R::Spec>,
) -> Found<R::Spec> {
    let attributes = R::Model::attributes();
    let identity = Identity::new(R::IDENTITY, &attributes);
    let id = identity.and_then(|identity| identity.of(state).and_then(|of| identity.import_name(&of).ok()));
    let Some(id) = id else { return Found::Unclear(None) };
    let model = match R::import(&id, cx).await {
        Ok(model) => with_defaults(encode(&Value::Value(model)), &attributes),
        Err(error) if error.is_nothing_to_import() => return Found::Nothing,
        Err(error) => return Found::Unclear(Some(error)),
    };
    let mut silence = Report::new();
    if let Some((_, spec)) = load_stored(R::NAME, &model, &mut silence, &parse) {
        return Found::Object(spec);
    }
    let Some(model) = super::super::call::model::<R::Model>(&model, &mut silence) else { return Found::Unclear(None) };
    let mut parsing = Parse::identified(&mut silence);
    let spec = parse(&model, &mut parsing);
    match parsing.finish(spec) {
        Parsed::Ready(spec) => Found::Identified(spec),
        _ => Found::Unclear(None),
    }
}
