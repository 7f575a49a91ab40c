//! Certificates with their keys, and what they say.

use super::Secret;

/// A certificate with its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// PEM, one certificate.
    pub certificate: String,
    /// PEM, PKCS #8.
    pub key: Secret,
}

/// What stands in a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// SHA-256 of the DER, lower-case hexadecimal without separators.
    pub fingerprint: String,
    /// Valid from.
    pub not_before: time::OffsetDateTime,
    /// Valid until.
    pub not_after: time::OffsetDateTime,
    /// The subject's organization; empty when there is none.
    pub organization: String,
    /// The subject's common name.
    pub common_name: String,
    /// Whether it may sign others.
    pub is_ca: bool,
}
