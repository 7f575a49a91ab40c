//! Certificates of the mesh's trust.

use std::time::Duration;

use super::Failure;
use crate::data::{Certificate, CertificateFacts, Secret};

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
