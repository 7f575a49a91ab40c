//! Certificates, made and read in memory: ECDSA P-256 of our own; of users whatever rustls's cryptography can read.

use std::{fmt::Write as _, time::Duration};

use aws_lc_rs::digest;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData as _,
    SerialNumber,
};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject as _};
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::{
    data::{Certificate, CertificateFacts, Secret},
    ports::{Authority, Failure, FailureKind},
};

/// Certificates by rcgen and x509-parser.
pub struct Certificates;

/// Clocks differ: a certificate is valid a little before it is made.
const HEAD_START: time::Duration = time::Duration::minutes(5);

fn unusable(what: &str, error: impl ToString) -> Failure {
    Failure::new(FailureKind::Rejected, format!("Unusable {what}"), format!("The {what} can't be used: {}.", error.to_string()))
}

fn parameters(common_name: &str, organization: &str, not_before: OffsetDateTime, not_after: OffsetDateTime) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, organization);
    subject.push(DnType::CommonName, common_name);
    parameters.distinguished_name = subject;
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    parameters.not_before = not_before;
    parameters.not_after = not_after;
    parameters
}

/// 16 random bytes, positive.
fn serial() -> Result<SerialNumber, Failure> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| unusable("source of random numbers", "it gives none"))?;
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

/// The first private key of a PEM text: `openssl ecparam` writes the curve's parameters before it.
fn key(pem: &Secret) -> Result<KeyPair, Failure> {
    PrivateKeyDer::from_pem_slice(pem.reveal().as_bytes())
        .ok()
        .and_then(|der| KeyPair::try_from(&der).ok())
        .ok_or_else(|| unusable("private key", "it is no private key in PEM (PKCS #8, PKCS #1 or SEC 1, without a passphrase)"))
}

/// The DER of the first certificate of a PEM text.
fn der(pem: &str) -> Result<Vec<u8>, Failure> {
    let (_, block) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).map_err(|_| unusable("certificate", "it is not in PEM"))?;
    if block.label == "CERTIFICATE" { Ok(block.contents) } else { Err(unusable("certificate", format!("the PEM holds a {}", block.label))) }
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, Failure> {
    X509Certificate::from_der(der).map(|(_, certificate)| certificate).map_err(|error| unusable("certificate", error))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string doesn't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Authority for Certificates {
    fn create_root(&self, common_name: &str, organization: &str, validity: Duration) -> Result<Certificate, Failure> {
        let now = OffsetDateTime::now_utc();
        let mut parameters = parameters(common_name, organization, now - HEAD_START, now + validity);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.serial_number = Some(serial()?);
        let key = KeyPair::generate().map_err(|error| unusable("private key", error))?;
        let certificate = parameters.self_signed(&key).map_err(|error| unusable("certificate", error))?;
        Ok(Certificate { certificate: certificate.pem(), key: Secret::new(key.serialize_pem()) })
    }

    fn issue_intermediate(
        &self,
        root: &Certificate,
        common_name: &str,
        organization: &str,
        validity: Duration,
    ) -> Result<Certificate, Failure> {
        let root_ends = self.inspect(&root.certificate)?.not_after;
        let now = OffsetDateTime::now_utc();
        if root_ends <= now {
            return Err(unusable("root certificate", format!("it expired at {root_ends}")));
        }
        let mut parameters = parameters(common_name, organization, now - HEAD_START, (now + validity).min(root_ends));
        // It signs workloads, and no further authorities.
        parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        parameters.serial_number = Some(serial()?);
        parameters.use_authority_key_identifier_extension = true;
        let issuer = Issuer::from_ca_cert_pem(&root.certificate, key(&root.key)?).map_err(|error| unusable("root certificate", error))?;
        let key = KeyPair::generate().map_err(|error| unusable("private key", error))?;
        let certificate = parameters.signed_by(&key, &issuer).map_err(|error| unusable("certificate", error))?;
        Ok(Certificate { certificate: certificate.pem(), key: Secret::new(key.serialize_pem()) })
    }

    fn inspect(&self, certificate: &str) -> Result<CertificateFacts, Failure> {
        let der = der(certificate)?;
        let certificate = parse(&der)?;
        let first = |mut names: Vec<&str>| names.drain(..).next().unwrap_or_default().to_owned();
        let subject = certificate.subject();
        Ok(CertificateFacts {
            fingerprint: hexadecimal(digest::digest(&digest::SHA256, &der).as_ref()),
            not_before: certificate.validity().not_before.to_datetime(),
            not_after: certificate.validity().not_after.to_datetime(),
            organization: first(subject.iter_organization().filter_map(|name| name.as_str().ok()).collect()),
            common_name: first(subject.iter_common_name().filter_map(|name| name.as_str().ok()).collect()),
            is_ca: certificate.is_ca(),
        })
    }

    fn key_matches(&self, certificate: &str, private_key: &Secret) -> Result<bool, Failure> {
        let der = der(certificate)?;
        let certificate = parse(&der)?;
        Ok(key(private_key)?.der_bytes() == certificate.public_key().subject_public_key.data.as_ref())
    }

    fn is_issued_by(&self, certificate: &str, issuer: &str) -> Result<bool, Failure> {
        let (der, issuer_der) = (der(certificate)?, der(issuer)?);
        let (certificate, issuer) = (parse(&der)?, parse(&issuer_der)?);
        Ok(certificate.issuer() == issuer.subject() && certificate.verify_signature(Some(issuer.public_key())).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    #[test]
    fn an_intermediate_is_the_roots_and_ends_with_it() {
        let root = Certificates.create_root("Root", "Corp", DAY * 30).unwrap();
        let other = Certificates.create_root("Root", "Corp", DAY * 30).unwrap();
        let issued = Certificates.issue_intermediate(&root, "Istio CA of eu", "Corp", DAY * 365).unwrap();
        let facts = Certificates.inspect(&issued.certificate).unwrap();
        assert_eq!((facts.common_name.as_str(), facts.organization.as_str(), facts.is_ca), ("Istio CA of eu", "Corp", true));
        assert_eq!(facts.not_after, Certificates.inspect(&root.certificate).unwrap().not_after);
        assert!(Certificates.is_issued_by(&issued.certificate, &root.certificate).unwrap());
        assert!(!Certificates.is_issued_by(&issued.certificate, &other.certificate).unwrap());
        assert!(Certificates.key_matches(&issued.certificate, &issued.key).unwrap());
        assert!(!Certificates.key_matches(&issued.certificate, &root.key).unwrap());
    }

    #[test]
    fn validity_counts_in_whole_days() {
        let root = Certificates.create_root("Root", "Corp", DAY * 30).unwrap();
        let facts = Certificates.inspect(&root.certificate).unwrap();
        assert_eq!((facts.not_after - facts.not_before).whole_days(), 30);
        assert_eq!(facts.fingerprint.len(), 64);
    }

    #[test]
    fn what_is_no_certificate_or_key_is_said() {
        assert!(Certificates.inspect("nonsense").unwrap_err().why.contains("not in PEM"));
        let root = Certificates.create_root("Root", "Corp", DAY).unwrap();
        assert!(Certificates.inspect(root.key.reveal()).unwrap_err().why.contains("holds a PRIVATE KEY"));
        let failure = Certificates.key_matches(&root.certificate, &Secret::new("not a key at all")).unwrap_err();
        assert!(!failure.to_string().contains("not a key at all"), "{failure}");
    }

    /// What `openssl` makes in a folder of its own by a script.
    fn openssl(script: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let output = std::process::Command::new("sh").args(["-ec", script]).current_dir(&folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        folder
    }

    #[test]
    fn a_users_root_is_taken_in_all_the_forms_that_openssl_gives_it() {
        for (form, key) in [
            ("RSA, PKCS #1", "openssl genrsa -traditional -out key 2048"),
            ("RSA, PKCS #8", "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key"),
            ("EC, SEC 1, with the parameters before it", "openssl ecparam -genkey -name prime256v1 -out key"),
            ("EC P-384, PKCS #8", "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out key"),
            ("Ed25519", "openssl genpkey -algorithm ed25519 -out key"),
        ] {
            // The text before the PEM block is what many a file has.
            let root = "openssl req -x509 -new -key key -days 30 -subj '/O=Corp/OU=Security & Trust/CN=Corp Root' -out root";
            let folder = openssl(&format!("{key}; {root}; openssl x509 -in root -text > root.text; cat root >> root.text"));
            let read = |file: &str| std::fs::read_to_string(folder.path().join(file)).unwrap();
            let root = Certificate { certificate: read("root.text"), key: Secret::new(read("key")) };
            assert_eq!(Certificates.key_matches(&root.certificate, &root.key).map_err(|failure| failure.to_string()), Ok(true), "{form}");
            let issued = Certificates.issue_intermediate(&root, "Istio CA of eu", "Corp", DAY).unwrap();
            assert!(Certificates.is_issued_by(&issued.certificate, &root.certificate).unwrap(), "{form}");
            // And by somebody else's judgement.
            std::fs::write(folder.path().join("issued"), &issued.certificate).unwrap();
            let verdict =
                std::process::Command::new("openssl").args(["verify", "-CAfile", "root", "issued"]).current_dir(&folder).output().unwrap();
            assert!(verdict.status.success(), "{form}: {}", String::from_utf8_lossy(&verdict.stderr));
        }
    }

    #[test]
    fn a_key_with_a_passphrase_is_said_to_be_of_no_use() {
        let folder = openssl("openssl genpkey -algorithm ed25519 -aes256 -pass pass:word -out key");
        let key = Secret::new(std::fs::read_to_string(folder.path().join("key")).unwrap());
        let root = Certificates.create_root("Root", "Corp", DAY).unwrap();
        let failure = Certificates.key_matches(&root.certificate, &key).unwrap_err();
        assert!(failure.why.contains("without a passphrase"), "{failure}");
    }
}
