//! Checks what users write: addresses, certificates, keys and tokens. An error never shows a secret.

use crate::data::Secret;

/// Checks that a string is the URL of an API server. An error doesn't show a URL with a password.
pub fn parse_host(url: &str) -> Result<String, String> {
    match url.parse::<http::Uri>() {
        Ok(uri) if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) => {
            Err("must not contain a user name or a password. Set `username` and `password` instead, or `token`.".to_owned())
        }
        Ok(uri) if matches!(uri.scheme_str(), Some("https" | "http")) && uri.host().is_some_and(|host| !host.is_empty()) => {
            Ok(url.to_owned())
        }
        _ if url.contains('@') => Err("must be the URL of an API server, for example `https://eu.example.com:6443`.".to_owned()),
        _ => Err(format!("must be the URL of an API server, for example `https://eu.example.com:6443`, got `{url}`.")),
    }
}

/// Checks that a string is a certificate in PEM, which the output of a cluster's resource in base64 is not.
pub fn parse_certificate(text: &str) -> Result<String, String> {
    if text.contains("-----BEGIN CERTIFICATE-----") {
        return Ok(text.to_owned());
    }
    Err("must be a certificate in PEM, with a line `-----BEGIN CERTIFICATE-----`; one in base64 needs `base64decode(…)`.".to_owned())
}

/// Checks that a string is a private key in PEM. An error doesn't show it.
pub fn parse_key(text: &str) -> Result<Secret, String> {
    if text.contains("PRIVATE KEY-----") {
        return Ok(Secret::new(text));
    }
    Err("must be a private key in PEM, with a line `-----BEGIN … PRIVATE KEY-----`; one in base64 needs `base64decode(…)`.".to_owned())
}

/// Reads a bearer token; one that comes from a file ends with the line's end. An error doesn't show it.
pub fn parse_token(text: &str) -> Result<Secret, String> {
    let token = text.trim();
    if !token.is_empty() && token.chars().all(|letter| letter.is_ascii_graphic()) {
        return Ok(Secret::new(token));
    }
    Err("must be a bearer token: printable characters without spaces.".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_keys_and_tokens_are_checked_without_being_shown() {
        let base64 = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t";
        assert!(parse_certificate(base64).unwrap_err().contains("base64decode"));
        assert!(parse_certificate("-----BEGIN CERTIFICATE-----\n…").is_ok());
        let error = parse_key("s3cret").unwrap_err();
        assert!(!error.contains("s3cret"), "{error}");
        assert!(parse_key("-----BEGIN EC PRIVATE KEY-----\n…").is_ok());
        assert_eq!(parse_token("t0ken\n").unwrap().reveal(), "t0ken");
        for text in ["", " \n", "t0 ken", "t0\nken"] {
            let error = parse_token(text).unwrap_err();
            assert!(!error.contains("t0"), "{error}");
        }
    }
}
