//! Actions: checked, planned, and invoked with messages on the way.

use std::time::Duration;

use framework::protocol::wire::{get_metadata, invoke_action, plan_action};
use plugin_host::{
    ABLE,
    diagnostics::{errors, warnings},
    rules,
    values::{encode, unknown},
};
use rmpv::Value;

use crate::sample::Session;

const SHAKE: &str = "sample_shake";

fn config(session: &Session, set: &[(&str, Value)]) -> Value {
    let schema = session.schema.action_schemas[SHAKE].schema.clone().expect("a schema");
    rules::config(&schema.block.expect("a block").attributes, set)
}

async fn with(name: &str) -> Session {
    let session = Session::start().await;
    session.sample.things.lock().expect("things").insert(name.to_owned(), 0);
    session
}

#[tokio::test]
async fn an_action_is_invoked_and_reports_its_progress_without_secrets() {
    let mut session = with("a").await;
    let metadata = session.provider.get_metadata(get_metadata::Request {}).await.expect("metadata").into_inner();
    assert_eq!(metadata.actions[0].type_name, SHAKE);
    let config = config(&session, &[("name", "a".into()), ("times", 2.into()), ("key_wo", "top-secret".into())]);
    let invoked = session.host.invoke(SHAKE, &config).await;
    assert_eq!(invoked.messages, ["shake 1 of a with ***", "shake 2 of a with ***"]);
    assert_eq!((errors(&invoked.diagnostics), warnings(&invoked.diagnostics)), (vec![], vec!["Shaken"]));
    assert_eq!(session.sample.things.lock().expect("things").get("a"), Some(&2));
}

#[tokio::test]
async fn an_action_that_fails_says_why_after_its_messages() {
    for (name, summary, messages) in [("", "Invalid name", 0), ("brittle", "Broken", 1), ("explosive", "The provider panicked", 1)] {
        let mut session = with(name).await;
        let config = config(&session, &[("name", name.into())]);
        let invoked = session.host.invoke(SHAKE, &config).await;
        assert_eq!((errors(&invoked.diagnostics), invoked.messages.len()), (vec![summary], messages));
    }
    let mut session = with("a").await;
    let config = config(&session, &[("name", "b".into())]);
    assert_eq!(errors(&session.host.invoke(SHAKE, &config).await.diagnostics), ["Nothing to shake"], "found while planning");
}

#[tokio::test]
async fn an_action_is_planned_while_its_configuration_is_unknown() {
    let mut session = with("a").await;
    let plan =
        |config: &Value| plan_action::Request { action_type: SHAKE.into(), config: Some(encode(config)), client_capabilities: Some(ABLE) };
    let config = config(&session, &[("name", unknown())]);
    let planned = session.provider.plan_action(plan(&config)).await.expect("an answer").into_inner();
    assert!(planned.diagnostics.is_empty() && planned.deferred.is_none(), "{planned:?}");
    let mut session = Session::unknown().await;
    let config = super::action::config(&session, &[("name", "a".into())]);
    let planned = session.provider.plan_action(plan(&config)).await.expect("an answer").into_inner();
    assert!(planned.diagnostics.is_empty() && planned.deferred.is_some(), "{planned:?}");
}

#[tokio::test]
async fn an_action_whose_cli_hangs_up_is_told_to_end() {
    let mut session = with("slow").await;
    let config = Some(encode(&config(&session, &[("name", "slow".into())])));
    let request = invoke_action::Request { action_type: SHAKE.into(), config, client_capabilities: None };
    let mut stream = session.provider.invoke_action(request).await.expect("a stream").into_inner();
    assert!(stream.message().await.expect("a message").is_some());
    drop(stream);
    for _ in 0..100 {
        if session.sample.things.lock().expect("things").contains_key("a shake was ended") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it was dropped, or goes on");
}
