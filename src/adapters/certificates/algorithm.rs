//! The algorithms of keys and signatures that Istio, Envoy and this provider can all verify.

use aws_lc_rs::signature::{self, VerificationAlgorithm};
use x509_parser::{
    certificate::X509Certificate,
    oid_registry::{
        OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_NIST_EC_P521, OID_NIST_HASH_SHA256, OID_NIST_HASH_SHA384,
        OID_NIST_HASH_SHA512, OID_PKCS1_RSAENCRYPTION, OID_PKCS1_RSASSAPSS, OID_PKCS1_SHA256WITHRSA, OID_PKCS1_SHA384WITHRSA,
        OID_PKCS1_SHA512WITHRSA, OID_SIG_ECDSA_WITH_SHA256, OID_SIG_ECDSA_WITH_SHA384, OID_SIG_ECDSA_WITH_SHA512, OID_SIG_ED25519,
    },
    public_key::PublicKey,
    signature_algorithm::RsaSsaPssParams,
    x509::SubjectPublicKeyInfo,
};

/// Algorithms of public keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyKind {
    P256,
    P384,
    P521,
    Rsa { bits: usize },
    Ed25519,
}

impl KeyKind {
    /// Reads a public key's algorithm.
    pub(super) fn of(key: &SubjectPublicKeyInfo<'_>) -> Result<Self, String> {
        let algorithm = &key.algorithm.algorithm;
        if *algorithm == OID_SIG_ED25519 {
            return Ok(Self::Ed25519);
        }
        if *algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY {
            let curve = key.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
            return match curve {
                Some(curve) if curve == OID_EC_P256 => Ok(Self::P256),
                Some(curve) if curve == OID_NIST_EC_P384 => Ok(Self::P384),
                Some(curve) if curve == OID_NIST_EC_P521 => Ok(Self::P521),
                Some(curve) => Err(format!("its key is on the elliptic curve {curve}; P-256, P-384 and P-521 can be used")),
                None => Err("its key names no elliptic curve; P-256, P-384 and P-521 can be used".to_owned()),
            };
        }
        if *algorithm == OID_PKCS1_RSAENCRYPTION
            && let Ok(PublicKey::RSA(rsa)) = key.parsed()
        {
            let modulus = rsa.modulus.iter().skip_while(|byte| **byte == 0).copied().collect::<Vec<_>>();
            let bits = modulus.len() * 8 - modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
            return match bits {
                2048..=8192 => Ok(Self::Rsa { bits }),
                _ => Err(format!("its RSA key has {bits} bits; 2048 to 8192 can be used")),
            };
        }
        Err(format!("its key has the algorithm {algorithm}; ECDSA, RSA and Ed25519 can be used"))
    }
}

impl std::fmt::Display for KeyKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::P256 => f.write_str("ECDSA P-256"),
            Self::P384 => f.write_str("ECDSA P-384"),
            Self::P521 => f.write_str("ECDSA P-521"),
            Self::Rsa { bits } => write!(f, "RSA {bits}"),
            Self::Ed25519 => f.write_str("Ed25519"),
        }
    }
}

/// Verifies a certificate's signature by its issuer's key. An algorithm that can't be used is a reason of its own, and not a wrong
/// signature.
pub(super) fn verify_signature(certificate: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> Result<(), String> {
    let kind = KeyKind::of(issuer.public_key())?;
    let algorithm = &certificate.signature_algorithm.algorithm;
    let verifier = verifier(certificate, kind).ok_or_else(|| {
        format!(
            "it is signed with the algorithm {}, which can't be used; SHA-256, SHA-384 and SHA-512 with RSA or ECDSA, and Ed25519 can",
            name(&algorithm.to_id_string())
        )
    })?;
    let key = signature::UnparsedPublicKey::new(verifier, issuer.public_key().subject_public_key.data.as_ref());
    key.verify(certificate.tbs_certificate.as_ref(), &certificate.signature_value.data)
        .map_err(|_| format!("its signature isn't by the key of {}", super::path::quoted(issuer.subject())))
}

fn verifier(certificate: &X509Certificate<'_>, issuer: KeyKind) -> Option<&'static dyn VerificationAlgorithm> {
    let algorithm = &certificate.signature_algorithm.algorithm;
    let is = |oid| *algorithm == oid;
    match issuer {
        KeyKind::Ed25519 if is(OID_SIG_ED25519) => Some(&signature::ED25519),
        KeyKind::P256 if is(OID_SIG_ECDSA_WITH_SHA256) => Some(&signature::ECDSA_P256_SHA256_ASN1),
        KeyKind::P256 if is(OID_SIG_ECDSA_WITH_SHA384) => Some(&signature::ECDSA_P256_SHA384_ASN1),
        KeyKind::P256 if is(OID_SIG_ECDSA_WITH_SHA512) => Some(&signature::ECDSA_P256_SHA512_ASN1),
        KeyKind::P384 if is(OID_SIG_ECDSA_WITH_SHA256) => Some(&signature::ECDSA_P384_SHA256_ASN1),
        KeyKind::P384 if is(OID_SIG_ECDSA_WITH_SHA384) => Some(&signature::ECDSA_P384_SHA384_ASN1),
        KeyKind::P384 if is(OID_SIG_ECDSA_WITH_SHA512) => Some(&signature::ECDSA_P384_SHA512_ASN1),
        KeyKind::P521 if is(OID_SIG_ECDSA_WITH_SHA256) => Some(&signature::ECDSA_P521_SHA256_ASN1),
        KeyKind::P521 if is(OID_SIG_ECDSA_WITH_SHA384) => Some(&signature::ECDSA_P521_SHA384_ASN1),
        KeyKind::P521 if is(OID_SIG_ECDSA_WITH_SHA512) => Some(&signature::ECDSA_P521_SHA512_ASN1),
        KeyKind::Rsa { .. } if is(OID_PKCS1_SHA256WITHRSA) => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        KeyKind::Rsa { .. } if is(OID_PKCS1_SHA384WITHRSA) => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        KeyKind::Rsa { .. } if is(OID_PKCS1_SHA512WITHRSA) => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
        KeyKind::Rsa { .. } if is(OID_PKCS1_RSASSAPSS) => {
            let parameters = RsaSsaPssParams::try_from(certificate.signature_algorithm.parameters.as_ref()?).ok()?;
            // Go knows a salt as long as the hash only.
            let (hash, salt) = (parameters.hash_algorithm_oid(), parameters.salt_length());
            match salt {
                32 if *hash == OID_NIST_HASH_SHA256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
                48 if *hash == OID_NIST_HASH_SHA384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
                64 if *hash == OID_NIST_HASH_SHA512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
                _ => None,
            }
        }
        _ => None,
    }
}

fn name(oid: &str) -> String {
    match oid {
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" => "SHA-1 with RSA".to_owned(),
        "1.2.840.10045.4.1" => "SHA-1 with ECDSA".to_owned(),
        "1.2.840.113549.1.1.10" => "RSA-PSS with parameters that istiod doesn't know".to_owned(),
        "1.2.840.113549.1.1.4" => "MD5 with RSA".to_owned(),
        other => other.to_owned(),
    }
}
