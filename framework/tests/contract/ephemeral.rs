//! What is opened for one run: ephemeral resources.

use framework::protocol::wire::{
    close_ephemeral_resource, open_ephemeral_resource, renew_ephemeral_resource, validate_ephemeral_resource_config,
};
use rmpv::Value;

use crate::sample::Session;
use plugin_host::values::{decode, encode, get, object};

const TOKEN: &str = "sample_token";

fn token(user: &str) -> Value {
    object(&[("user", user.into()), ("token", Value::Nil)])
}

fn open(user: &str) -> open_ephemeral_resource::Request {
    open_ephemeral_resource::Request { type_name: TOKEN.into(), config: Some(encode(&token(user))), client_capabilities: None }
}

#[tokio::test]
async fn an_ephemeral_resource_is_opened_renewed_and_closed() {
    let mut session = Session::start().await;
    let opened = session.provider.open_ephemeral_resource(open("ann")).await.expect("an answer").into_inner();
    assert!(opened.diagnostics.is_empty(), "{:?}", opened.diagnostics);
    assert_eq!(get(&decode(opened.result.as_ref()), "token"), &"token-of-ann".into());
    assert_eq!(opened.renew_at.map(|time| time.seconds), Some(1_800_000_000));
    assert_eq!(session.mask.apply("Bearer token-of-ann"), "Bearer ***", "what was opened is masked in logs");
    assert_eq!(session.sample.things.lock().expect("things").len(), 1);

    let renew = renew_ephemeral_resource::Request { type_name: TOKEN.into(), private: opened.private };
    let renewed = session.provider.renew_ephemeral_resource(renew).await.expect("an answer").into_inner();
    assert_eq!(renewed.renew_at.map(|time| time.seconds), Some(1_800_000_001));

    let close = close_ephemeral_resource::Request { type_name: TOKEN.into(), private: renewed.private };
    let closed = session.provider.close_ephemeral_resource(close).await.expect("an answer").into_inner();
    assert!(closed.diagnostics.is_empty() && session.sample.things.lock().expect("things").is_empty());
}

/// What the CLIs close with: Terraform with the handle of the opening, OpenTofu with that of the last renewal, even of one that failed.
#[tokio::test]
async fn what_was_opened_is_closed_by_either_cli() {
    for (user, does_renew) in [("ann", true), ("once", false)] {
        for is_terraform in [true, false] {
            let mut session = Session::start().await;
            let opened = session.provider.open_ephemeral_resource(open(user)).await.expect("an answer").into_inner();
            let renew = renew_ephemeral_resource::Request { type_name: TOKEN.into(), private: opened.private.clone() };
            let renewed = session.provider.renew_ephemeral_resource(renew).await.expect("an answer").into_inner();
            assert_eq!(renewed.diagnostics.is_empty(), does_renew, "{:?}", renewed.diagnostics);
            let private = if is_terraform { opened.private } else { renewed.private };
            let close = close_ephemeral_resource::Request { type_name: TOKEN.into(), private };
            let closed = session.provider.close_ephemeral_resource(close).await.expect("an answer").into_inner();
            assert!(closed.diagnostics.is_empty(), "{user}: {:?}", closed.diagnostics);
            assert!(session.sample.things.lock().expect("things").is_empty(), "{user}: what was opened is left");
        }
    }
}

#[tokio::test]
async fn a_handle_survives_whatever_refuses_its_renewal() {
    let mut session = Session::unconfigured().await;
    let request = renew_ephemeral_resource::Request { type_name: TOKEN.into(), private: Some(b"handle".to_vec()) };
    let refused = session.provider.renew_ephemeral_resource(request).await.expect("an answer").into_inner();
    assert_eq!((refused.diagnostics[0].summary.as_str(), refused.private), ("Provider not configured", Some(b"handle".to_vec())));
}

#[tokio::test]
async fn what_cannot_be_opened_says_why() {
    let mut session = Session::start().await;
    let config = Some(encode(&token("root")));
    let request = validate_ephemeral_resource_config::Request { type_name: TOKEN.into(), config };
    let judged = session.provider.validate_ephemeral_resource_config(request).await.expect("an answer").into_inner();
    assert_eq!(judged.diagnostics[0].detail, "Not for root.");
    let refused = session.provider.open_ephemeral_resource(open("nobody")).await.expect("an answer").into_inner();
    assert!(refused.result.is_none() && refused.diagnostics[0].attribute.is_some());
    let foreign = renew_ephemeral_resource::Request { type_name: TOKEN.into(), private: Some(b"foreign".to_vec()) };
    let refused = session.provider.renew_ephemeral_resource(foreign).await.expect("an answer").into_inner();
    assert_eq!(refused.diagnostics[0].summary, "Handle can't be read");
}
