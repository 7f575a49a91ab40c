//! Certificates of the mesh's trust.

use std::time::Duration;

use super::{Failure, Secret};

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

/// Makes and reads certificates.
pub trait Authority: Send + Sync {
    /// A new self-signed root.
    fn create_root(&self, common_name: &str, organization: &str, validity: Duration) -> Result<Certificate, Failure>;

    /// A new intermediate that the root has signed; never valid for longer than the root.
    fn issue_intermediate(
        &self,
        root: &Certificate,
        common_name: &str,
        organization: &str,
        validity: Duration,
    ) -> Result<Certificate, Failure>;

    /// Reads the first certificate of a PEM text.
    fn inspect(&self, certificate: &str) -> Result<CertificateFacts, Failure>;

    /// Whether the private key (PEM) belongs to the certificate (PEM). Fails when either can't be read.
    fn key_matches(&self, certificate: &str, key: &Secret) -> Result<bool, Failure>;

    /// Whether `issuer` (PEM) has signed `certificate` (PEM).
    fn is_issued_by(&self, certificate: &str, issuer: &str) -> Result<bool, Failure>;
}
