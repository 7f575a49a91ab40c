//! The configuration of the provider, which may fail and warn.

use framework::protocol::wire::{configure_provider, read_resource};
use plugin_host::{
    ABLE,
    diagnostics::{errors, warnings},
    values::{encode, object},
};
use rmpv::Value;

use crate::sample::{Session, THING};

fn zone(name: &str) -> Value {
    object(&[("zone", name.into()), ("password", Value::Nil)])
}

#[tokio::test]
async fn a_configuration_that_fails_says_where_and_serves_nothing() {
    let mut session = Session::start().await;
    let diagnostics = session.configure(&zone("closed")).await;
    assert_eq!(errors(&diagnostics), ["Closed"]);
    assert!(diagnostics[0].attribute.is_some());
    let request = read_resource::Request { type_name: THING.into(), client_capabilities: Some(ABLE), ..Default::default() };
    let read = session.provider.read_resource(request).await.expect("an answer").into_inner();
    assert_eq!(errors(&read.diagnostics), ["Provider not configured"], "the configuration of before is gone");
}

#[tokio::test]
async fn a_configuration_may_warn_and_knows_the_cli() {
    let mut session = Session::unconfigured().await;
    let request =
        configure_provider::Request { config: Some(encode(&zone("old"))), terraform_version: "1.14.0".into(), client_capabilities: None };
    let diagnostics = session.provider.configure_provider(request).await.expect("an answer").into_inner().diagnostics;
    assert_eq!((warnings(&diagnostics), diagnostics[0].detail.as_str()), (vec!["Old"], "The zone closes soon, 1.14.0."));
    session.create(&[("name", "a".into())]).await;
}
