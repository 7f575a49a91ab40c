//! Looks at the world: data sources.

use framework::protocol::wire::{read_data_source, validate_data_resource_config};
use rmpv::Value;

use crate::sample::Session;
use plugin_host::values::{decode, encode, get, object};

const LOOK: &str = "sample_look";

#[tokio::test]
async fn a_data_source_is_looked_at() {
    let mut session = Session::start().await;
    session.create(&[("name", "a".into())]).await;
    let config = |prefix: &str| Some(encode(&object(&[("prefix", prefix.into()), ("found", Value::Nil)])));
    let read = |prefix| read_data_source::Request { type_name: LOOK.into(), config: config(prefix), ..Default::default() };
    let found = session.provider.read_data_source(read("a")).await.expect("an answer").into_inner();
    assert_eq!(get(&decode(found.state.as_ref()), "found"), &1.into());
    let nothing = session.provider.read_data_source(read("b")).await.expect("an answer").into_inner();
    assert_eq!(nothing.diagnostics[0].summary, "Not found");
    let request = validate_data_resource_config::Request { type_name: LOOK.into(), config: config("") };
    let judged = session.provider.validate_data_resource_config(request).await.expect("an answer").into_inner();
    assert_eq!(judged.diagnostics[0].detail, "Of what?");
}

#[tokio::test]
async fn work_whose_cli_is_gone_is_ended_in_order() {
    let session = Session::start().await;
    let config = Some(encode(&object(&[("prefix", "slow".into()), ("found", Value::Nil)])));
    let request = read_data_source::Request { type_name: LOOK.into(), config, ..Default::default() };
    let mut provider = session.provider.clone();
    let call = tokio::spawn(async move { provider.read_data_source(request).await });
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert!(session.sample.things.lock().expect("things").is_empty() && !call.is_finished());
    call.abort();
    for _ in 0..100 {
        if session.sample.things.lock().expect("things").contains_key("a look was ended") {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the work was dropped, or goes on");
}
