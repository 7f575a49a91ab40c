//! Calls of functions.

use framework::protocol::wire::call_function;
use rmpv::Value;

use crate::sample::Session;
use plugin_host::values::{decode, encode};

async fn call(name: &str, arguments: &[Value]) -> call_function::Response {
    let mut session = Session::unconfigured().await;
    let request = call_function::Request { name: name.to_owned(), arguments: arguments.iter().map(encode).collect() };
    session.provider.call_function(request).await.expect("an answer").into_inner()
}

#[tokio::test]
async fn a_variadic_function_takes_any_number_of_further_arguments() {
    for numbers in [&[1][..], &[1, 2], &[1, 2, 3, 4]] {
        let arguments: Vec<_> = numbers.iter().map(|number| Value::from(*number)).collect();
        assert_eq!(decode(call("sum", &arguments).await.result.as_ref()), numbers.iter().sum::<i64>().into());
    }
    let wrong = call("sum", &[1.into(), 2.into(), "three".into()]).await.error.expect("an error");
    assert_eq!(wrong.function_argument, Some(2));
}

#[tokio::test]
async fn a_wrong_number_of_arguments_is_an_error_of_the_call() {
    let none = call("sum", &[]).await.error.expect("an error");
    assert_eq!((none.text.as_str(), none.function_argument), ("sum takes at least 1 arguments, got 0.", None));
    let many = call("explode", &[1.into()]).await.error.expect("an error");
    assert_eq!((many.text.as_str(), many.function_argument), ("explode takes 0 arguments, got 1.", None));
}

#[tokio::test]
async fn an_error_may_be_of_the_call_as_a_whole() {
    let large = call("sum", &[i64::MAX.into(), 1.into()]).await.error.expect("an error");
    assert_eq!((large.text.as_str(), large.function_argument), ("The sum is too large.", None));
    assert!(call("explode", &[]).await.error.expect("an error").text.contains("boom"));
}
