//! The provider's configuration with values that are null or unknown.

use plugin_host::values::{object, unknown};
use rmpv::Value;

use crate::{configurations::configurations, session::Session};

fn access() -> Value {
    object(&[("host", "https://127.0.0.1:1".into()), ("token", "t".into())])
}

#[tokio::test]
async fn a_required_value_that_turns_out_to_be_null_is_an_error_and_not_unknown() {
    let exec = object(&[("api_version", "client.authentication.k8s.io/v1".into()), ("command", Value::Nil)]);
    let eu = object(&[("host", "https://127.0.0.1:1".into()), ("exec", exec)]);
    for (config, name) in
        [(object(&[("clusters", Value::Nil)]), "`clusters`"), (object(&[("clusters", object(&[("eu", eu)]))]), "`command`")]
    {
        let (_session, diagnostics) = Session::configured(&config).await;
        assert_eq!(diagnostics[0].summary, "Missing required argument", "{diagnostics:?}");
        assert!(diagnostics[0].detail.contains(name), "{diagnostics:?}");
    }
}

#[tokio::test]
async fn a_cluster_that_is_null_is_not_configured() {
    let (mut session, diagnostics) = Session::configured(&object(&[("clusters", object(&[("eu", access()), ("us", Value::Nil)]))])).await;
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let config = session.config("mesh_root_ca", &[("cluster", "us".into())]);
    let plan = session.plan("mesh_root_ca", &Value::Nil, &config).await;
    assert!(plan.diagnostics[0].detail.contains("has no cluster `us`; it has `eu`"), "{:?}", plan.diagnostics);
}

#[tokio::test]
async fn a_plan_does_not_look_for_a_helm_whose_path_is_unknown() {
    let helm = object(&[("binary", unknown())]);
    let clusters = object(&[("us", access()), ("eu", unknown())]);
    let (mut session, diagnostics) = Session::configured(&object(&[("clusters", clusters), ("helm", helm)])).await;
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    for (name, set) in configurations(&session) {
        let config = session.config(&name, &set);
        let plan = session.plan(&name, &Value::Nil, &config).await;
        assert!(plan.diagnostics.is_empty(), "{name}: {:?}", plan.diagnostics);
    }
}
