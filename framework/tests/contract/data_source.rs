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
    let config = |prefix: &str| Some(encode(&object(&[("prefix", prefix.into()), ("count", Value::Nil)])));
    let read = |prefix| read_data_source::Request { type_name: LOOK.into(), config: config(prefix), ..Default::default() };
    let found = session.provider.read_data_source(read("a")).await.expect("an answer").into_inner();
    assert_eq!(get(&decode(found.state.as_ref()), "count"), &1.into());
    let nothing = session.provider.read_data_source(read("b")).await.expect("an answer").into_inner();
    assert_eq!(nothing.diagnostics[0].summary, "Not found");
    let request = validate_data_resource_config::Request { type_name: LOOK.into(), config: config("") };
    let judged = session.provider.validate_data_resource_config(request).await.expect("an answer").into_inner();
    assert_eq!(judged.diagnostics[0].detail, "Of what?");
}
