//! PEM: certificates and private keys as users paste them, and why istiod would not read one of them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use pem::{EncodeConfig, LineEnding, Pem};
use rcgen::KeyPair;
use rustls::pki_types::PrivateKeyDer;

const CERTIFICATE: &str = "CERTIFICATE";

/// A private key that can be used.
pub(super) struct Key {
    pub(super) pair: KeyPair,
    /// The key alone, PEM: without what istiod would stumble over, such as the curve's parameters before it.
    pub(super) pem: String,
}

/// Encodes a block with line endings that are the same on each platform.
pub(super) fn encode(label: &str, der: &[u8]) -> String {
    pem::encode_config(&Pem::new(label, der), EncodeConfig::new().set_line_ending(LineEnding::LF))
}

/// Reads the certificates of a PEM string as DER; at least one. Only what istiod reads too: it skips, without a word, blocks that are
/// indented, have headers or another label.
pub(super) fn certificates(text: &str) -> Result<Vec<Vec<u8>>, String> {
    let blocks = blocks(text, "a certificate")?;
    blocks
        .into_iter()
        .map(|block| match block.tag() {
            CERTIFICATE if block.headers().iter().next().is_some() => {
                Err("A CERTIFICATE block has headers, such as `Proc-Type`; istiod skips it. Remove them.".to_owned())
            }
            CERTIFICATE => Ok(block.into_contents()),
            label => Err(format!("It holds {}. Only CERTIFICATE blocks belong here.", describe(label))),
        })
        .collect()
}

/// Reads the private key of a PEM string. Certificates beside it are ignored: many tools write both to one file.
pub(super) fn key(text: &str) -> Result<Key, String> {
    let blocks = blocks(text, "a private key")?;
    if let Some(block) = blocks.iter().find(|block| is_encrypted(block)) {
        return Err(format!(
            "The private key is encrypted with a passphrase ({}). Decrypt it first, for example with `openssl pkey -in KEY`.",
            block.tag()
        ));
    }
    let mut keys = blocks.iter().filter(|block| block.tag().ends_with("PRIVATE KEY"));
    let key = match (keys.next(), keys.count()) {
        (Some(key), 0) => key,
        (Some(_), more) => return Err(format!("It holds {} private keys. Exactly one belongs here.", more + 1)),
        (None, _) => {
            let found = blocks.first().map_or("", Pem::tag);
            return Err(format!("It holds {}, and no private key.", describe(found)));
        }
    };
    let der = match key.tag() {
        "PRIVATE KEY" => PrivateKeyDer::Pkcs8(key.contents().into()),
        "RSA PRIVATE KEY" => PrivateKeyDer::Pkcs1(key.contents().into()),
        "EC PRIVATE KEY" => PrivateKeyDer::Sec1(key.contents().into()),
        label => return Err(format!("It holds {}. PKCS #8, PKCS #1 or SEC 1 is needed, without a passphrase.", describe(label))),
    };
    let pair = KeyPair::try_from(&der).map_err(|_| {
        "The private key is damaged or of an algorithm that can't be used. ECDSA with the curves P-256, P-384 and P-521, RSA with 2048 to \
         8192 bits, and Ed25519 can."
            .to_owned()
    })?;
    Ok(Key { pem: encode(key.tag(), key.contents()), pair })
}

fn is_encrypted(block: &Pem) -> bool {
    block.tag() == "ENCRYPTED PRIVATE KEY" || block.headers().get("Proc-Type").is_some_and(|kind| kind.contains("ENCRYPTED"))
}

fn describe(label: &str) -> String {
    match label {
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => {
            "a signing request (CERTIFICATE REQUEST), which a CA has to sign first".to_owned()
        }
        "TRUSTED CERTIFICATE" => "an OpenSSL TRUSTED CERTIFICATE; `openssl x509 -in FILE` converts it".to_owned(),
        "PKCS7" => "a PKCS #7 container; `openssl pkcs7 -print_certs -in FILE` converts it".to_owned(),
        "OPENSSH PRIVATE KEY" => "a key in OpenSSH's own format; `ssh-keygen -p -m PKCS8 -f FILE` converts it".to_owned(),
        other => format!("a {other} block"),
    }
}

fn blocks(text: &str, what: &str) -> Result<Vec<Pem>, String> {
    let begins = text.matches("-----BEGIN ").count();
    if begins == 0 {
        return Err(without_block(text, what));
    }
    if text.starts_with('\u{feff}') {
        return Err("It begins with a byte order mark, and istiod skips the block behind it. Save the file without one.".to_owned());
    }
    let at_line_starts = text.split(['\n', '\r']).filter(|line| line.starts_with("-----BEGIN ")).count();
    if at_line_starts != begins {
        return Err(
            "A `-----BEGIN` line is indented or follows other text on its line, and istiod skips such a block. In HCL, `<<-EOT` removes the \
             indentation."
                .to_owned(),
        );
    }
    let blocks = pem::parse_many(text).map_err(|error| format!("A PEM block is damaged: {}.", error.to_string().trim_end_matches('.')))?;
    if blocks.len() == begins { Ok(blocks) } else { Err("A PEM block is cut off: its `-----END` line is missing.".to_owned()) }
}

fn without_block(text: &str, what: &str) -> String {
    if text.trim().is_empty() {
        return format!("It is empty. Expected {what} in PEM.");
    }
    let compact: String = text.split_whitespace().collect();
    if STANDARD.decode(compact).is_ok_and(|bytes| bytes.first() == Some(&0x30)) {
        return format!(
            "It is {what} in DER, encoded as base64, not in PEM. Convert the file, for example with `openssl x509 -inform der` or `openssl \
             pkey -inform der`."
        );
    }
    format!("It is not in PEM: it has no `-----BEGIN` line. Expected {what}; give the file's contents, not its path.")
}
