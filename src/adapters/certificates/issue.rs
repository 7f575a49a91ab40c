//! Making CAs: roots, intermediates and signing requests.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RsaKeySize,
    SerialNumber, SigningKey as _,
};
use time::OffsetDateTime;
use x509_parser::{certificate::X509Certificate, extensions::ParsedExtension};

use super::{Certificates, path, pem, unusable};
use crate::{
    data::{CaBundle, CaSubject, CaUse, Certificate, Flaw, KeyAlgorithm, NewIntermediate, Secret, SigningRequest},
    ports::{Authority as _, Failure},
};

/// Clocks differ: a certificate is valid a little before it is made.
const HEAD_START: time::Duration = time::Duration::minutes(5);

/// For the same reason a root that another machine has just made may begin a little later than now.
const CLOCK_SKEW: time::Duration = time::Duration::minutes(1);

/// Position of the issuer among the fields of a certificate with a version.
const ISSUER: usize = 3;
/// Position of the signature's algorithm among them.
const ALGORITHM: usize = 2;

pub(super) fn root(subject: &CaSubject, validity: Duration) -> Result<Certificate, Failure> {
    let now = OffsetDateTime::now_utc();
    let mut parameters = parameters(subject, BasicConstraints::Unconstrained);
    (parameters.not_before, parameters.not_after) = (now - HEAD_START, now + validity);
    parameters.serial_number = Some(serial()?);
    let key = generate(subject.algorithm)?;
    let certificate = parameters.self_signed(&key).map_err(|error| unusable("certificate", error))?;
    Ok(Certificate { certificate: pem::encode("CERTIFICATE", certificate.der()), key: Secret::new(key.serialize_pem()) })
}

pub(super) fn intermediate(root: &Certificate, wanted: &NewIntermediate) -> Result<Certificate, Failure> {
    let now = OffsetDateTime::now_utc();
    let flaw = |flaw: Flaw| unusable("root certificate", flaw.reason.trim_end_matches('.'));
    let facts = Certificates.verify_root(&root.certificate, Some(&root.key), now + CLOCK_SKEW).map_err(flaw)?;
    let (signer, signer_der) = path::signer(&root.certificate, &root.key).map_err(flaw)?;
    let signer_certificate = super::parse(&signer_der).map_err(|reason| unusable("root certificate", reason))?;

    let mut parameters = parameters(&wanted.subject, BasicConstraints::Constrained(0));
    (parameters.not_before, parameters.not_after) = (now - HEAD_START, (now + wanted.validity).min(facts.not_after));
    parameters.serial_number = Some(serial()?);
    parameters.use_authority_key_identifier_extension = true;
    let key = generate(wanted.subject.algorithm)?;
    let certificate = sign(&parameters, &key, &signer_certificate, &signer.pair).map_err(|error| unusable("certificate", error))?;
    let certificate = Certificate { certificate, key: Secret::new(key.serialize_pem()) };

    // What wouldn't verify is never handed out.
    let bundle = CaBundle {
        certificate: certificate.certificate.clone(),
        key: certificate.key.clone(),
        chain: certificate.certificate.clone(),
        roots: root.certificate.clone(),
    };
    Certificates.verify(&bundle, &CaUse { at: now + CLOCK_SKEW, namespace: None, trust_domain: None }).map_err(flaw)?;
    Ok(certificate)
}

pub(super) fn request(subject: &CaSubject) -> Result<SigningRequest, Failure> {
    let key = generate(subject.algorithm)?;
    let request = parameters(subject, BasicConstraints::Constrained(0))
        .serialize_request(&key)
        .map_err(|error| unusable("signing request", error))?;
    Ok(SigningRequest { request: pem::encode("CERTIFICATE REQUEST", request.der()), key: Secret::new(key.serialize_pem()) })
}

fn parameters(subject: &CaSubject, constraints: BasicConstraints) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, subject.organization.as_str());
    name.push(DnType::CommonName, subject.common_name.as_str());
    parameters.distinguished_name = name;
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    parameters.is_ca = IsCa::Ca(constraints);
    parameters
}

fn generate(algorithm: KeyAlgorithm) -> Result<KeyPair, Failure> {
    match algorithm {
        KeyAlgorithm::EcdsaP256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
        KeyAlgorithm::EcdsaP384 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
        KeyAlgorithm::Rsa2048 => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048),
        KeyAlgorithm::Rsa4096 => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_4096),
    }
    .map_err(|error| unusable("private key", error))
}

/// 16 random bytes, positive.
fn serial() -> Result<SerialNumber, Failure> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| unusable("source of random numbers", "it returned an error"))?;
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

/// Signs a certificate in the name of an issuer. Verifiers compare the issuer's name byte for byte with the signer's subject, which rcgen
/// can't do: it keeps one value of each kind, and of `DC=com, DC=corp` the last one only. So the name is put in its place, as it is
/// encoded in the signer's certificate, before the signature is made.
fn sign(parameters: &CertificateParams, key: &KeyPair, issuer: &X509Certificate<'_>, issuer_key: &KeyPair) -> Result<String, String> {
    let mut stand_in = CertificateParams::default();
    if let Some(id) = issuer.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
        _ => None,
    }) {
        stand_in.key_identifier_method = KeyIdMethod::PreSpecified(id);
    }
    let draft = parameters.signed_by(key, &Issuer::new(stand_in, issuer_key)).map_err(|error| error.to_string())?;
    let outer = fields(draft.der())?;
    let mut inner = fields(outer.first().map_or(&[], Vec::as_slice))?;
    let algorithm = inner.get(ALGORITHM).cloned().ok_or("the certificate has no algorithm")?;
    *inner.get_mut(ISSUER).ok_or("the certificate has no issuer")? = issuer.subject().as_raw().to_vec();

    let sequence = |fields: &[Vec<u8>]| {
        yasna::construct_der(|writer| writer.write_sequence(|writer| fields.iter().for_each(|field| writer.next().write_der(field))))
    };
    let to_be_signed = sequence(&inner);
    let signature = issuer_key.sign(&to_be_signed).map_err(|error| error.to_string())?;
    let signature = yasna::construct_der(|writer| writer.write_bitvec_bytes(&signature, signature.len() * 8));
    Ok(pem::encode("CERTIFICATE", &sequence(&[to_be_signed, algorithm, signature])))
}

/// The fields of a DER sequence, as they are encoded.
fn fields(sequence: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut fields = Vec::new();
    let read = yasna::parse_der(sequence, |reader| {
        reader.read_sequence_of(|field| {
            fields.push(field.read_der()?);
            Ok(())
        })
    });
    read.map(|()| fields).map_err(|error| error.to_string())
}
