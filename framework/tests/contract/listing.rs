//! Queries for what exists, read with Terraform's rules: an error drops all results.

use std::time::{Duration, Instant};

use framework::protocol::wire::{list_resource, validate_list_resource_config};
use rmpv::Value;

use crate::sample::{Session, THING};
use plugin_host::{
    query::{DEFAULT_LIMIT, Listed, query},
    values::{decode, encode, get, object},
};

fn filter(prefix: Value) -> Value {
    object(&[("prefix", prefix)])
}

async fn list(session: &mut Session, prefix: &str, limit: usize, whole: bool) -> Listed {
    query(&mut session.provider, THING, &filter(prefix.into()), limit, whole).await
}

async fn with(names: &[&str]) -> Session {
    let mut session = Session::start().await;
    for name in names {
        session.create(&[("name", (*name).into())]).await;
    }
    session
}

#[tokio::test]
async fn a_query_finds_what_exists() {
    let mut session = with(&["a1", "a2", "b1"]).await;
    let all = query(&mut session.provider, THING, &filter(Value::Nil), DEFAULT_LIMIT, false).await;
    assert_eq!(all.names(), ["here/a1", "here/a2", "here/b1"]);
    let some = list(&mut session, "a", DEFAULT_LIMIT, false).await;
    assert_eq!(some.names(), ["here/a1", "here/a2"]);
    assert!(some.results.iter().all(|found| found.state.is_none()));
    let limited = list(&mut session, "a", 1, true).await;
    let [found] = &limited.results[..] else { panic!("{limited:?}") };
    let state = found.state.as_ref().expect("a state");
    assert_eq!((get(state, "name"), get(state, "revision")), (&"a1".into(), &1.into()), "with all that a read finds");
    assert_eq!(get(&found.identity, "name"), &"a1".into());
}

#[tokio::test]
async fn what_was_found_is_shown_beside_what_could_not_be_searched() {
    let mut session = with(&["a1", "locked", "secret"]).await;
    let all = list(&mut session, "", DEFAULT_LIMIT, false).await;
    assert_eq!(all.names(), ["here/a1", "here/secret"]);
    assert_eq!((all.errors(), all.warnings()), (vec![], vec!["Locked", "Forbidden"]));
    let none = list(&mut session, "locked", DEFAULT_LIMIT, false).await;
    assert_eq!((none.errors(), none.names().len()), (vec!["Locked", "Forbidden"], 0), "the query fails only if nothing is found");
}

#[tokio::test]
async fn a_warning_reaches_a_query_that_ends_at_its_limit() {
    let mut session = with(&["a1", "locked", "z1"]).await;
    let limited = list(&mut session, "", 2, false).await;
    assert_eq!((limited.names(), limited.warnings()), (vec!["here/a1", "here/z1"], vec!["Locked"]));
}

#[tokio::test]
async fn an_object_that_cannot_be_read_hides_no_other() {
    let mut session = with(&["a1", "unreadable", "z1"]).await;
    let all = list(&mut session, "", DEFAULT_LIMIT, true).await;
    assert_eq!(all.names(), ["here/a1", "here/unreadable", "here/z1"]);
    assert_eq!((all.errors(), all.warnings()), (vec![], vec!["Unreadable"]));
}

#[tokio::test]
async fn results_are_sent_while_the_search_goes_on() {
    let mut session = with(&["endless"]).await;
    let begin = Instant::now();
    let some = list(&mut session, "", 3, false).await;
    assert_eq!(some.results.len(), 3, "the search ends at the limit");
    // Without a limit it ends when the CLI hangs up.
    let request =
        list_resource::Request { type_name: THING.into(), config: Some(encode(&filter(Value::Nil))), ..list_resource::Request::default() };
    let mut stream = session.provider.list_resource(request).await.expect("a stream").into_inner();
    for _ in 0..500 {
        assert!(stream.message().await.expect("an event").is_some());
    }
    drop(stream);
    assert_eq!(list(&mut session, "b", DEFAULT_LIMIT, false).await.names().len(), 0, "it serves on");
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_search_that_needs_an_unknown_configuration_fails_by_name() {
    let mut session = Session::unknown().await;
    assert_eq!(list(&mut session, "", DEFAULT_LIMIT, false).await.errors(), ["Known after apply"]);
}

#[tokio::test]
async fn a_filter_is_checked() {
    let mut session = Session::unconfigured().await;
    let config = Some(encode(&filter("*".into())));
    let request = validate_list_resource_config::Request { type_name: THING.into(), config, include_resource_object: None, limit: None };
    let diagnostics = session.provider.validate_list_resource_config(request).await.expect("an answer").into_inner().diagnostics;
    assert_eq!(diagnostics[0].detail, "No wildcards.");
    assert_eq!(list(&mut session, "", DEFAULT_LIMIT, false).await.errors(), ["Provider not configured"]);
}

#[tokio::test]
async fn a_listed_state_is_one_that_core_can_decode() {
    let mut session = with(&["a1"]).await;
    let found = list(&mut session, "", DEFAULT_LIMIT, true).await;
    let read = session.read(found.results[0].state.as_ref().expect("a state")).await;
    assert_eq!(Some(&decode(read.new_state.as_ref())), found.results[0].state.as_ref());
}
