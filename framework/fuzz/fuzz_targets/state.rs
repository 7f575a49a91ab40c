//! Values in JSON: stored states, stored identities, and arguments of functions. The first byte says what is read, the second which
//! version it has, and the text follows.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_fuzz::{Session, Sessions, THING, json};
use framework::Provider;

/// A version is a number without a sign in the state's file, and has one on the wire.
const VERSIONS: [i64; 5] = [0, 1, 2, -1, i64::MIN];

fuzz_target!(|input: &[u8]| {
    let [selector, version, text @ ..] = input else { return };
    let version = VERSIONS[usize::from(*version) % VERSIONS.len()];
    Sessions::with(|sessions| {
        let Sessions { mesh, wide, .. } = sessions;
        // Even numbers are for the wide provider.
        let (of_wide, number) = (selector % 2 == 0, usize::from(selector / 2));
        if !of_wide {
            stored(mesh, number, version, text);
        } else if let Some(function) = wide.functions.get(number) {
            let Some(written) = wide.call(function, vec![json(text)]) else { return };
            sessions.same_again(function, written);
        } else if number == wide.functions.len() {
            // The state of this version is read like the argument.
            let Some(upgraded) = wide.upgrade_state(THING, 1, text) else { return };
            wide.call(THING, vec![json(text)]);
            sessions.same_again(THING, upgraded);
        } else {
            stored(wide, number, version, text);
        }
    });
});

/// Reads a state or, after those, an identity, of the type of that number.
fn stored<P: Provider>(session: &Session<P>, number: usize, version: i64, text: &[u8]) {
    let number = number % (session.resources.len() + session.identities.len());
    if let Some(type_name) = session.resources.get(number) {
        session.upgrade_state(type_name, version, text);
    } else {
        session.upgrade_identity(&session.identities[number - session.resources.len()], version, text);
    }
}
