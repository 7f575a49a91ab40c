//! Making, reading and verifying the certificates of the mesh's trust.

use std::time::Duration;

use time::OffsetDateTime;

use super::Failure;
use crate::data::{CaBundle, CaPath, CaSubject, CaUse, Certificate, CertificateFacts, Flaw, NewIntermediate, Secret, SigningRequest};

/// Makes, reads and verifies certificates.
pub trait Authority: Send + Sync {
    /// Makes a new self-signed root.
    fn create_root(&self, subject: &CaSubject, validity: Duration) -> Result<Certificate, Failure>;

    /// Issues a new intermediate, signed by the root whose key is given; never valid for longer than the root.
    fn issue_intermediate(&self, root: &Certificate, wanted: &NewIntermediate) -> Result<Certificate, Failure>;

    /// Makes a key, and a request for an intermediate's certificate that a CA elsewhere can sign.
    fn create_request(&self, subject: &CaSubject) -> Result<SigningRequest, Failure>;

    /// Reports whether the private key (PEM) belongs to the request (PEM). Fails when either can't be read.
    fn is_key_of_request(&self, request: &str, key: &Secret) -> Result<bool, Failure>;

    /// Reports whether the first certificate (PEM) is for the key of the request (PEM). Fails when either can't be read.
    fn answers_request(&self, certificate: &str, request: &str) -> Result<bool, Failure>;

    /// Reads the first certificate of a PEM string.
    fn inspect(&self, certificate: &str) -> Result<CertificateFacts, Failure>;

    /// Reads all certificates of a PEM string; at least one.
    fn inspect_all(&self, certificates: &str) -> Result<Vec<CertificateFacts>, Failure>;

    /// Reports whether the private key (PEM) belongs to the first certificate (PEM). Fails when either can't be read.
    fn key_matches(&self, certificate: &str, key: &Secret) -> Result<bool, Failure>;

    /// Returns the private key alone, as PEM that istiod reads.
    fn plain_key(&self, key: &Secret) -> Result<Secret, Flaw>;

    /// Verifies that the root can sign an intermediate now: one that is valid itself, and whose workloads' certificates are.
    /// Of several roots it is the one that the key belongs to; without a key, the first. Returns that root.
    fn verify_root(&self, roots: &str, key: Option<&Secret>, at: OffsetDateTime) -> Result<CertificateFacts, Flaw>;

    /// Verifies that istiod could sign with the certificate, without looking at its key.
    fn verify_path(&self, certificate: &str, chain: &str, roots: &str, purpose: &CaUse) -> Result<CaPath, Flaw>;

    /// Verifies that istiod can sign with the bundle, and that workloads accept what it signs.
    fn verify(&self, bundle: &CaBundle, purpose: &CaUse) -> Result<CaPath, Flaw>;
}
