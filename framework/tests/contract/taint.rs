//! What the core does with an object whose creation failed.

use plugin_host::{Action, Object, diagnostics::errors, values::get};

use crate::sample::{Session, THING};

#[tokio::test]
async fn a_failed_creation_is_tainted_and_replaced() {
    let mut session = Session::start().await;
    let config = session.config(&[("name", "half".into())]);
    let failed = session.host.apply(THING, &Object::absent(), &config).await;
    assert_eq!(errors(&failed.diagnostics), ["Half"]);
    assert!(failed.object.is_tainted && get(&failed.object.state, "name") == &"half".into());

    let plan = session.host.plan(THING, &failed.object, &config).await;
    assert_eq!((plan.action, plan.replaces.len()), (Action::Replace, 0), "the core replaces what is tainted by itself");
    session.host.apply_plan(THING, &failed.object, &config, &plan).await;
    assert_eq!(session.sample.things.lock().expect("things").get("half"), Some(&1), "it was destroyed, and created anew");

    let plan = session.host.plan(THING, &failed.object.untainted(), &config).await;
    assert_eq!(plan.action, Action::Update, "after `untaint` it goes on with what is there");
}

#[tokio::test]
async fn a_creation_that_reached_nothing_leaves_nothing_to_replace() {
    let mut session = Session::start().await;
    let config = session.config(&[("name", "never".into())]);
    let failed = session.host.apply(THING, &Object::absent(), &config).await;
    assert_eq!((errors(&failed.diagnostics), &failed.object), (vec!["Never"], &Object::absent()));
}

#[tokio::test]
async fn an_object_is_imported_refreshed_replaced_and_destroyed() {
    let mut session = Session::start().await;
    session.create(&[("name", "a".into())]).await;
    let imported = session.host.import(THING, "here/a").await;
    assert!(imported.diagnostics.is_empty() && imported.object.identity.is_some(), "{:?}", imported.diagnostics);
    let same = session.host.import_by_identity(THING, imported.object.identity.as_ref().expect("an identity")).await;
    assert_eq!(same.object, imported.object);
    let elsewhere = session.config(&[("name", "a".into()), ("zone", "there".into())]);
    let plan = session.host.plan(THING, &imported.object, &elsewhere).await;
    assert_eq!((plan.action, plan.replaces), (Action::Replace, vec!["zone".to_owned()]));
    let destroyed = session.host.destroy(THING, &imported.object).await;
    assert!(destroyed.object.state.is_nil() && session.sample.things.lock().expect("things").is_empty());
}
