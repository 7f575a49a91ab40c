//! Values in msgpack, as configurations, plans and arguments of functions. The first byte says what is called, the values follow.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_fuzz::{Session, Sessions, msgpack};
use framework::Provider;

fuzz_target!(|input: &[u8]| {
    let Some((selector, bytes)) = input.split_first() else { return };
    Sessions::with(|sessions| {
        // Even numbers are for the wide provider.
        let (of_wide, number) = (selector % 2 == 0, usize::from(selector / 2));
        if !of_wide {
            call(&sessions.mesh, number, bytes);
        } else if let Some(function) = sessions.wide.functions.get(number) {
            let Some(written) = sessions.wide.call(function, vec![msgpack(bytes)]) else { return };
            sessions.same_again(function, written);
        } else {
            call(&sessions.wide, number, bytes);
        }
    });
});

/// Makes the call of that number: of a function, or about a resource.
fn call<P: Provider>(session: &Session<P>, number: usize, bytes: &[u8]) {
    if let Some(function) = session.functions.get(number) {
        session.call(function, values(bytes).into_iter().map(msgpack).collect());
        return;
    }
    let number = number - session.functions.len();
    let type_name = &session.resources[number / 2 % session.resources.len()];
    if number % 2 == 0 {
        session.validate(type_name, msgpack(bytes));
        return;
    }
    match *values(bytes) {
        [prior, config, ..] => session.plan(type_name, prior, config),
        [config] => session.plan(type_name, &[], config),
        [] => {}
    }
}

/// The values that stand one after the other; what is none is taken for the last one.
fn values(bytes: &[u8]) -> Vec<&[u8]> {
    let (mut values, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() && values.len() < 4 {
        let mut after = rest;
        if rmpv::decode::read_value_ref(&mut after).is_err() {
            after = &[];
        }
        values.push(&rest[..rest.len() - after.len()]);
        rest = after;
    }
    values
}
