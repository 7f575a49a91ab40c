//! A create that failed halfway: the replacement that the CLIs plan for it continues it, and nothing else does.

use framework::protocol::wire::apply_resource_change;
use plugin_host::{
    Action, Object,
    diagnostics::{errors, warnings},
    values::{encode, get},
};
use rmpv::Value;

use crate::sample::{Session, THING};

/// The warning of a plan that continues a create.
const CONTINUES: &str = "The creation continues";

fn thing(session: &Session, note: &str) -> Value {
    session.config(&[("name", "a".into()), ("note", note.into())])
}

fn revision(session: &Session) -> Option<i64> {
    session.sample.things.lock().expect("things").get("a").copied()
}

/// A thing whose create failed at a step; refreshed, as a plan begins with that.
async fn failed_create(step: usize) -> (Session, Object) {
    let mut session = Session::start().await;
    let config = thing(&session, "first");
    session.sample.shelf.fail_at(Some(step));
    let failed = session.host.apply(THING, &Object::absent(), &config).await;
    session.sample.shelf.fail_at(None);
    assert_eq!(errors(&failed.diagnostics), ["Failed step"]);
    assert!(failed.diagnostics.iter().any(|error| error.detail.contains("`terraform untaint`")), "{:?}", failed.diagnostics);
    assert!(failed.object.is_tainted);
    let refreshed = session.host.refresh(THING, &failed.object).await;
    (session, refreshed.object)
}

#[tokio::test]
async fn a_plain_apply_continues_a_create_from_every_step() {
    for step in 1..4 {
        for note in ["first", "second"] {
            let (mut session, object) = failed_create(step).await;
            let config = thing(&session, note);
            let plan = session.host.plan(THING, &object, &config).await;
            assert_eq!(plan.action, Action::Replace, "step {step}");
            assert!(warnings(&plan.diagnostics).contains(&CONTINUES), "{:?}", plan.diagnostics);
            let applied = session.host.apply_plan(THING, &object, &config, &plan).await;
            assert!(errors(&applied.diagnostics).is_empty(), "{:?}", applied.diagnostics);
            assert_eq!((revision(&session), get(&applied.object.state, "revision")), (Some(2), &2.into()), "it is the same thing");
            assert_eq!(session.sample.shelf.notes(), [note]);
            assert!(!applied.object.is_tainted && applied.object.private.is_empty());
            assert_eq!(session.host.plan(THING, &applied.object, &config).await.action, Action::NoOp);
        }
    }
}

#[tokio::test]
async fn a_create_that_fails_again_is_continued_again() {
    let (mut session, object) = failed_create(1).await;
    let second = thing(&session, "second");
    session.sample.shelf.fail_at(Some(1));
    let again = session.host.apply(THING, &object, &second).await;
    session.sample.shelf.fail_at(None);
    assert!(again.object.is_tainted && errors(&again.diagnostics) == ["Failed step"], "{:?}", again.diagnostics);
    let object = session.host.refresh(THING, &again.object).await.object;
    let third = thing(&session, "third");
    session.host.apply(THING, &object, &third).await;
    assert_eq!((revision(&session), session.sample.shelf.notes()), (Some(3), vec!["third".to_owned()]));
}

#[tokio::test]
async fn an_untainted_object_is_updated() {
    let (mut session, object) = failed_create(1).await;
    let object = object.untainted();
    let config = thing(&session, "first");
    let plan = session.host.plan(THING, &object, &config).await;
    assert_eq!(plan.action, Action::Update);
    session.host.apply_plan(THING, &object, &config, &plan).await;
    assert_eq!((revision(&session), session.sample.shelf.notes()), (Some(2), vec!["first".to_owned()]));
}

#[tokio::test]
async fn a_destroy_of_what_is_tainted_destroys() {
    let (mut session, object) = failed_create(1).await;
    let destroyed = session.host.destroy(THING, &object).await;
    assert!(destroyed.object.state.is_nil() && revision(&session).is_none() && session.sample.shelf.notes().is_empty());
}

#[tokio::test]
async fn another_identity_and_a_replacement_of_the_resources_own_are_real() {
    let (mut session, object) = failed_create(1).await;
    let elsewhere = session.config(&[("name", "a".into()), ("note", "first".into()), ("zone", "there".into())]);
    session.host.apply(THING, &object, &elsewhere).await;
    assert_eq!(revision(&session), Some(1), "another zone is another thing");

    let mut session = Session::start().await;
    let large = session.config(&[("name", "a".into()), ("size", 3.into())]);
    session.sample.shelf.fail_at(Some(1));
    let failed = session.host.apply(THING, &Object::absent(), &large).await;
    session.sample.shelf.fail_at(None);
    let object = session.host.refresh(THING, &failed.object).await.object;
    let small = session.config(&[("name", "a".into())]);
    session.host.apply(THING, &object, &small).await;
    assert_eq!(revision(&session), Some(1), "a thing can't shrink");
}

#[tokio::test]
async fn a_finished_object_that_is_tainted_or_replaced_on_request_is_destroyed() {
    let mut session = Session::start().await;
    let config = thing(&session, "first");
    let made = session.host.apply(THING, &Object::absent(), &config).await.object;
    // `terraform taint`.
    let object = session.host.refresh(THING, &Object { is_tainted: true, ..made }).await.object;
    let replaced = session.host.apply(THING, &object, &config).await;
    assert!(!warnings(&replaced.diagnostics).contains(&CONTINUES) && revision(&session) == Some(1));

    // `-replace`: planned as an update, then as a creation with the private bytes of that.
    let object = session.host.refresh(THING, &replaced.object).await.object;
    let update = session.host.plan_once(THING, &object, &config).await;
    let creation = session.host.plan_once(THING, &Object { private: update.private, ..Object::absent() }, &config).await;
    let request = apply_resource_change::Request {
        type_name: THING.to_owned(),
        prior_state: Some(encode(&object.state)),
        planned_state: Some(encode(&Value::Nil)),
        config: Some(encode(&Value::Nil)),
        planned_private: creation.private,
        ..apply_resource_change::Request::default()
    };
    session.provider.apply_resource_change(request).await.expect("an answer");
    assert_eq!(revision(&session), None);
}
