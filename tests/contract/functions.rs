//! Functions work in an unconfigured provider, and report which argument is wrong.

use framework::protocol::wire::call_function;
use plugin_host::{
    Plugin,
    values::{decode, encode},
};
use rmpv::Value;

#[tokio::test]
async fn functions_are_pure() {
    let plugin = Plugin::start(crate::PROGRAM);
    let mut provider = plugin.provider().await;
    let mut call = async |name: &str, arguments: &[Value]| {
        let arguments = arguments.iter().map(encode).collect();
        provider.call_function(call_function::Request { name: name.to_owned(), arguments }).await.expect("an answer").into_inner()
    };
    let answered = call("sni", &[80.into(), "echo.eu.mesh.local".into()]).await;
    assert_eq!(decode(answered.result.as_ref()), "outbound_.80_._.echo.eu.mesh.local".into());
    let vip = call("vip", &["a.b".into(), Value::Array(vec!["a.b".into(), "c.d".into()])]).await;
    assert!(decode(vip.result.as_ref()).as_str().expect("a string").starts_with("240.241."));

    let refused = call("sni", &[80.into(), "*.mesh.local".into()]).await.error.expect("an error");
    assert_eq!(refused.function_argument, Some(1));
    assert!(refused.text.contains("wildcard"), "{}", refused.text);
    // OpenTofu passes null where it shouldn't.
    assert_eq!(call("sni", &[Value::Nil, "a.b".into()]).await.error.expect("an error").function_argument, Some(0));
    assert!(call("nonsense", &[]).await.error.expect("an error").text.contains("no function `nonsense`"));
}
