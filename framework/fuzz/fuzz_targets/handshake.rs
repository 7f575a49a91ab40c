//! What the host starts the program with, one after the other and separated by zero bytes, as the kernel hands it over: `NAME=value` is a
//! variable, all else an argument.

#![no_main]

use std::{ffi::OsString, os::unix::ffi::OsStringExt as _};

use libfuzzer_sys::fuzz_target;
use framework::plugin::{Start, Text, client_certificate};

const COOKIE: &str = "TF_PLUGIN_MAGIC_COOKIE";

fuzz_target!(|input: &[u8]| {
    let (mut arguments, mut variables) = (Vec::new(), Vec::new());
    for text in input.split(|byte| *byte == 0).filter(|text| !text.is_empty()) {
        match text.iter().position(|byte| *byte == b'=') {
            Some(end) => variables.push((&text[..end], &text[end + 1..])),
            None => arguments.push(OsString::from_vec(text.to_vec())),
        }
    }
    let variable = |name: &str| {
        let (_, value) = variables.iter().find(|(known, _)| *known == name.as_bytes())?;
        String::from_utf8(value.to_vec()).ok()
    };
    let is_asked = !arguments.is_empty();
    match Start::read("mesh", arguments.into_iter(), variable) {
        Ok(start) => {
            assert!(start.debug || variable(COOKIE).is_some(), "it serves somebody who is no host");
            assert_eq!(start.debug, is_asked, "only an argument makes it debug");
            if let Some(pem) = start.client_certificate {
                assert!(!start.debug);
                let _ = client_certificate(&pem);
            }
        }
        Err(text) => assert!(text == Text::Usage || is_asked, "nobody asked for the version"),
    }
});
