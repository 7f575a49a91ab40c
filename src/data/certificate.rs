//! Certificates with their keys: what they hold, the bundle that istiod signs with, and why one can't be used.

use std::{fmt, time::Duration};

use time::OffsetDateTime;

use super::Secret;

/// A certificate with its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// PEM. The first certificate is the key's; a root may be followed by further roots.
    pub certificate: String,
    /// PEM, without a passphrase.
    pub key: Secret,
}

/// A request for a certificate, with the private key that it was made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningRequest {
    /// PKCS #10, PEM.
    pub request: String,
    /// PEM, PKCS #8.
    pub key: Secret,
}

/// The subject and the kind of key of a CA to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaSubject {
    /// Common name.
    pub common_name: String,
    /// Organization.
    pub organization: String,
    /// The algorithm of its key.
    pub algorithm: KeyAlgorithm,
}

/// Algorithms of the keys that can be generated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyAlgorithm {
    /// ECDSA with the curve P-256.
    #[default]
    EcdsaP256,
    /// ECDSA with the curve P-384.
    EcdsaP384,
    /// RSA with 2048 bits.
    Rsa2048,
    /// RSA with 4096 bits.
    Rsa4096,
}

impl KeyAlgorithm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::EcdsaP256, Self::EcdsaP384, Self::Rsa2048, Self::Rsa4096];

    /// Returns its name in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::EcdsaP256 => "ECDSA-P256",
            Self::EcdsaP384 => "ECDSA-P384",
            Self::Rsa2048 => "RSA-2048",
            Self::Rsa4096 => "RSA-4096",
        }
    }

    /// Reads the name of an algorithm.
    pub fn parse(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|algorithm| algorithm.name() == name);
        found.ok_or_else(|| format!("must be ECDSA-P256, ECDSA-P384, RSA-2048 or RSA-4096, got {name:?}"))
    }
}

/// An intermediate CA to be issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewIntermediate {
    /// Its subject and key.
    pub subject: CaSubject,
    /// Its lifetime, cut at its issuer's end.
    pub validity: Duration,
}

/// A distinguished name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// As encoded in the certificate. Verifiers compare these bytes.
    pub der: Vec<u8>,
    /// For people: `O=Corp, CN=Corp Root`.
    pub text: String,
}

/// The contents of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The certificate alone, PEM.
    pub pem: String,
    /// SHA-256 of the DER, lower-case hexadecimal without separators.
    pub fingerprint: String,
    /// Subject.
    pub subject: Name,
    /// Issuer.
    pub issuer: Name,
    /// Valid from.
    pub not_before: OffsetDateTime,
    /// Valid until.
    pub not_after: OffsetDateTime,
    /// The subject's organization; empty if absent.
    pub organization: String,
    /// The subject's common name; empty if absent.
    pub common_name: String,
    /// The URIs among its alternative names: of a workload's certificate, its SPIFFE identity.
    pub uris: Vec<String>,
    /// The key's algorithm and size, such as `ECDSA P-256`.
    pub algorithm: String,
    /// Whether it is a CA (`basicConstraints CA:TRUE`) whose key usage, if any, allows the signing of certificates.
    pub may_sign: bool,
    /// How many further CAs may follow below it; `None` if unlimited.
    pub path_len: Option<u32>,
}

/// What istiod of one cluster signs with, presents, and trusts: the four keys of the Secret `cacerts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaBundle {
    /// The intermediate's certificate, PEM: `ca-cert.pem`.
    pub certificate: String,
    /// Its key, PEM: `ca-key.pem`.
    pub key: Secret,
    /// The certificates from the intermediate towards the root, PEM: `cert-chain.pem`. Workloads present them after their own.
    pub chain: String,
    /// The roots that workloads trust, PEM: `root-cert.pem`.
    pub roots: String,
}

/// Under which conditions a CA has to be valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaUse {
    /// At this time.
    pub at: OffsetDateTime,
    /// The namespace of istiod, which serves under a DNS name in it.
    pub namespace: Option<String>,
    /// The trust domain of the workloads' identities, where known.
    pub trust_domain: Option<String>,
}

/// The certificates from a verified intermediate up to the root it leads to, both included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaPath(pub Vec<CertificateFacts>);

impl CaPath {
    /// The root that the path ends at.
    pub fn root(&self) -> Option<&CertificateFacts> {
        self.0.last()
    }
}

/// Parts of a CA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaPart {
    /// The CA's own certificate.
    Certificate,
    /// The private key.
    Key,
    /// The certificates between it and the root.
    Chain,
    /// The roots.
    Roots,
}

/// Why a CA can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// The part that is wrong.
    pub part: CaPart,
    /// Whole sentences. Never a part of a key.
    pub reason: String,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}
