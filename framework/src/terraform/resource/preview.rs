//! A look, while a create is planned, at what exists already.

use tokio_util::sync::CancellationToken;

use super::{
    super::{
        call::{conclude, model},
        context::Cx,
        dynamic::Dynamic,
        model::encode,
        report::Report,
        timeouts::{Operation, Timeouts},
        vocabulary::{Diagnostics, Value},
    },
    Resource,
};
use crate::deadline::Deadline;

/// Lets the resource look. Returns the plan as it is then, and what the resource has to say.
pub(super) async fn preview<R: Resource>(planned: Dynamic, world: &R::World, cancel: CancellationToken) -> (Dynamic, Diagnostics) {
    let mut report = Report::new();
    let Some(mut model) = model::<R::Model>(&planned, &mut report) else { return (planned, report.into_diagnostics()) };
    let cx = Cx::new(world, Deadline::after(Timeouts::of(R::timeouts(&model), Operation::Read, R::TIMEOUTS), cancel));
    let outcome = R::preview(&mut model, &cx).await;
    // The apply says it again if the configuration is still unknown by then.
    if !conclude(cx, &mut report)
        && let Err(error) = outcome
    {
        report.error(error);
    }
    (encode(&Value::Value(model)), report.into_diagnostics())
}
