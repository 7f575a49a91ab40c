//! Certificates, made, read and verified in memory.

mod algorithm;
mod constraint;
mod issue;
mod path;
mod pem;
mod profile;
#[cfg(test)]
mod tests;

use std::{fmt::Write as _, time::Duration};

use aws_lc_rs::digest;
use rcgen::PublicKeyData as _;
use time::OffsetDateTime;
use x509_parser::{
    certification_request::X509CertificationRequest,
    extensions::GeneralName,
    prelude::{FromDer as _, X509Certificate},
    x509::{SubjectPublicKeyInfo, X509Name},
};

use crate::{
    data::{
        CaBundle, CaPart, CaPath, CaSubject, CaUse, Certificate, CertificateFacts, Flaw, Name, NewIntermediate, Secret, SigningRequest,
    },
    ports::{Authority, Failure, FailureKind},
};

/// Certificates by rcgen, x509-parser and aws-lc.
pub struct Certificates;

fn unusable(what: &str, error: impl ToString) -> Failure {
    let error = error.to_string();
    Failure::new(FailureKind::Rejected, format!("Unusable {what}"), format!("The {what} can't be used: {}.", error.trim_end_matches('.')))
}

/// Reads one certificate, and nothing after it; or reports why not, as a clause.
fn parse(der: &[u8]) -> Result<X509Certificate<'_>, String> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) => Err("the PEM block holds more than one certificate's DER".to_owned()),
        Err(error) => Err(format!("it is not a valid X.509 certificate ({error})")),
    }
}

fn certificates(text: &str) -> Result<Vec<Vec<u8>>, Failure> {
    pem::certificates(text).map_err(|reason| Failure::new(FailureKind::Rejected, "Unusable certificate", reason))
}

/// Reads the public key of a signing request.
fn with_request<T>(request: &str, read: impl FnOnce(&SubjectPublicKeyInfo<'_>) -> T) -> Result<T, Failure> {
    let block = ::pem::parse(request).map_err(|error| unusable("signing request", error))?;
    let (_, request) = X509CertificationRequest::from_der(block.contents()).map_err(|error| unusable("signing request", error))?;
    Ok(read(&request.certification_request_info.subject_pki))
}

fn facts(der: &[u8]) -> Result<CertificateFacts, Failure> {
    let certificate = parse(der).map_err(|reason| unusable("certificate", reason))?;
    let subject = certificate.subject();
    let name = |name: &X509Name<'_>| Name { der: name.as_raw().to_vec(), text: name.to_string() };
    let first = |mut values: Vec<&str>| values.drain(..).next().unwrap_or_default().to_owned();
    let constraints = certificate.basic_constraints().ok().flatten();
    let names = certificate.subject_alternative_name().ok().flatten();
    let uri = |name: &GeneralName<'_>| if let GeneralName::URI(uri) = name { Some((*uri).to_owned()) } else { None };
    Ok(CertificateFacts {
        pem: pem::encode("CERTIFICATE", der),
        fingerprint: hexadecimal(digest::digest(&digest::SHA256, der).as_ref()),
        not_before: certificate.validity().not_before.to_datetime(),
        not_after: certificate.validity().not_after.to_datetime(),
        organization: first(subject.iter_organization().filter_map(|name| name.as_str().ok()).collect()),
        common_name: first(subject.iter_common_name().filter_map(|name| name.as_str().ok()).collect()),
        uris: names.iter().flat_map(|names| &names.value.general_names).filter_map(uri).collect(),
        algorithm: algorithm::KeyKind::of(certificate.public_key()).map_or_else(|_| "unsupported".to_owned(), |kind| kind.to_string()),
        may_sign: profile::may_sign(&certificate),
        path_len: constraints.and_then(|constraints| constraints.value.path_len_constraint),
        issuer: name(certificate.issuer()),
        subject: name(subject),
    })
}

fn facts_of(path: &[Vec<u8>]) -> Result<CaPath, Flaw> {
    let facts: Result<Vec<_>, _> = path.iter().map(|der| facts(der)).collect();
    facts.map(CaPath).map_err(|failure| Flaw { part: CaPart::Chain, reason: failure.why })
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string doesn't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Authority for Certificates {
    fn create_root(&self, subject: &CaSubject, validity: Duration) -> Result<Certificate, Failure> {
        issue::root(subject, validity)
    }

    fn issue_intermediate(&self, root: &Certificate, wanted: &NewIntermediate) -> Result<Certificate, Failure> {
        issue::intermediate(root, wanted)
    }

    fn create_request(&self, subject: &CaSubject) -> Result<SigningRequest, Failure> {
        issue::request(subject)
    }

    fn is_key_of_request(&self, request: &str, key: &Secret) -> Result<bool, Failure> {
        let key = pem::key(key.reveal()).map_err(|reason| Failure::new(FailureKind::Rejected, "Unusable private key", reason))?;
        with_request(request, |public| key.pair.der_bytes() == public.subject_public_key.data.as_ref())
    }

    fn answers_request(&self, certificate: &str, request: &str) -> Result<bool, Failure> {
        let ders = certificates(certificate)?;
        let certificate = parse(ders.first().map_or(&[], Vec::as_slice)).map_err(|reason| unusable("certificate", reason))?;
        with_request(request, |public| public.raw == certificate.public_key().raw)
    }

    fn inspect(&self, certificate: &str) -> Result<CertificateFacts, Failure> {
        facts(certificates(certificate)?.first().map_or(&[], Vec::as_slice))
    }

    fn inspect_all(&self, text: &str) -> Result<Vec<CertificateFacts>, Failure> {
        certificates(text)?.iter().map(|der| facts(der)).collect()
    }

    fn key_matches(&self, certificate: &str, private_key: &Secret) -> Result<bool, Failure> {
        let ders = certificates(certificate)?;
        let certificate = parse(ders.first().map_or(&[], Vec::as_slice)).map_err(|reason| unusable("certificate", reason))?;
        let key = pem::key(private_key.reveal()).map_err(|reason| Failure::new(FailureKind::Rejected, "Unusable private key", reason))?;
        Ok(key.pair.der_bytes() == certificate.public_key().subject_public_key.data.as_ref())
    }

    fn plain_key(&self, key: &Secret) -> Result<Secret, Flaw> {
        path::read_key(key).map(|key| Secret::new(key.pem))
    }

    fn verify_root(&self, roots: &str, key: Option<&Secret>, at: OffsetDateTime) -> Result<CertificateFacts, Flaw> {
        let der = path::verify_root(roots, key, at)?;
        facts(&der).map_err(|failure| Flaw { part: CaPart::Roots, reason: failure.why })
    }

    fn verify_path(&self, certificate: &str, chain: &str, roots: &str, purpose: &CaUse) -> Result<CaPath, Flaw> {
        facts_of(&path::verify(certificate, chain, roots, None, purpose)?)
    }

    fn verify(&self, bundle: &CaBundle, purpose: &CaUse) -> Result<CaPath, Flaw> {
        facts_of(&path::verify(&bundle.certificate, &bundle.chain, &bundle.roots, Some(&bundle.key), purpose)?)
    }
}
