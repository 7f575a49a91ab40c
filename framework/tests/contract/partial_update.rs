//! An update that fails halfway: the state keeps what is certain, and the next apply, whatever it applies, leaves nothing behind.

use plugin_host::{Action, Object, diagnostics::errors, values::get};
use rmpv::Value;

use crate::sample::{Session, THING};

/// The steps at which an update of a thing fails. At the last one, the new inputs are in place.
const STEPS: std::ops::Range<usize> = 0..4;
const LAST: usize = 3;

fn thing(session: &Session, note: &str, version: i64) -> Value {
    let set = [("name", "a".into()), ("note", note.into()), ("key_wo", "four-and-more".into()), ("key_version", version.into())];
    session.config(&set)
}

/// A thing whose update from one note to another failed at a step; refreshed, as a plan begins with that.
async fn failed_update(step: usize) -> (Session, Object) {
    let mut session = Session::start().await;
    let before = thing(&session, "before", 1);
    let made = session.host.apply(THING, &Object::absent(), &before).await;
    assert!(errors(&made.diagnostics).is_empty() && made.object.private.is_empty(), "{:?}", made.diagnostics);
    let after = thing(&session, "after", 2);
    session.sample.shelf.fail_at(Some(step));
    let failed = session.host.apply(THING, &made.object, &after).await;
    session.sample.shelf.fail_at(None);
    assert_eq!(errors(&failed.diagnostics), ["Failed step"], "step {step}");
    assert!(!failed.object.is_tainted && !failed.object.private.windows(4).any(|bytes| bytes == b"four"));
    let refreshed = session.host.refresh(THING, &failed.object).await;
    assert!(errors(&refreshed.diagnostics).is_empty());
    (session, refreshed.object)
}

#[tokio::test]
async fn a_failed_update_keeps_the_prior_inputs() {
    for step in STEPS {
        let (_, object) = failed_update(step).await;
        let inputs = (get(&object.state, "note").clone(), get(&object.state, "key_version").clone());
        let expected = if step == LAST { ("after".into(), 2.into()) } else { ("before".into(), 1.into()) };
        assert_eq!(inputs, expected, "step {step}");
    }
}

#[tokio::test]
async fn a_retry_and_a_revert_are_updates_that_leave_nothing_behind() {
    for step in STEPS {
        for (note, version) in [("after", 2), ("before", 1), ("other", 3)] {
            let (mut session, object) = failed_update(step).await;
            let config = thing(&session, note, version);
            let plan = session.host.plan(THING, &object, &config).await;
            assert_eq!(plan.action, Action::Update, "step {step}, {note}");
            let applied = session.host.apply_plan(THING, &object, &config, &plan).await;
            assert!(errors(&applied.diagnostics).is_empty(), "{:?}", applied.diagnostics);
            assert_eq!(session.sample.shelf.notes(), [note], "step {step}: objects that no state knows");
            assert!(applied.object.private.is_empty(), "the apply has finished");
            let again = session.host.plan(THING, &applied.object, &config).await;
            assert_eq!(again.action, Action::NoOp, "step {step}, {note}");
        }
    }
}

#[tokio::test]
async fn several_failed_updates_are_all_cleaned_up() {
    let (mut session, object) = failed_update(1).await;
    let other = thing(&session, "other", 3);
    session.sample.shelf.fail_at(Some(1));
    let failed = session.host.apply(THING, &object, &other).await;
    session.sample.shelf.fail_at(None);
    assert_eq!(session.sample.shelf.notes(), ["after", "before", "other"]);
    let before = thing(&session, "before", 1);
    session.host.apply(THING, &failed.object, &before).await;
    assert_eq!(session.sample.shelf.notes(), ["before"]);
}

#[tokio::test]
async fn a_destroy_and_a_replacement_remove_what_a_failed_update_made() {
    for step in STEPS {
        let (mut session, object) = failed_update(step).await;
        let destroyed = session.host.destroy(THING, &object).await;
        assert!(destroyed.object.state.is_nil() && session.sample.shelf.notes().is_empty(), "step {step}");

        let (mut session, object) = failed_update(step).await;
        let elsewhere = session.config(&[("name", "a".into()), ("zone", "there".into()), ("note", "new".into())]);
        let plan = session.host.plan(THING, &object, &elsewhere).await;
        assert_eq!(plan.action, Action::Replace);
        session.host.apply_plan(THING, &object, &elsewhere, &plan).await;
        assert_eq!(session.sample.shelf.notes(), ["new"], "step {step}");
    }
}
