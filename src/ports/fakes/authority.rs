//! A certificate authority without cryptography.

use std::{sync::Mutex, time::Duration};

use serde_json::{Value as Json, json};

use super::{FakeClock, lock};
use crate::{
    data::{
        CaBundle, CaPart, CaPath, CaSubject, CaUse, Certificate, CertificateFacts, Flaw, KeyAlgorithm, Name, NewIntermediate, Secret,
        SigningRequest,
    },
    ports::{Authority, Clock, Failure, FailureKind},
};

/// Certificates that are JSON, one a line, and a bundle of them several lines.
#[derive(Default)]
pub struct FakeAuthority {
    made: Mutex<u32>,
    now: FakeClock,
}

impl FakeAuthority {
    /// Makes certificates that are valid from this clock's time on.
    pub fn at(now: FakeClock) -> Self {
        Self { now, made: Mutex::default() }
    }

    /// `path_len` limits how many CAs may follow.
    fn make(&self, subject: &CaSubject, issuer: Option<u64>, path_len: Option<u32>, validity: Duration) -> Certificate {
        let mut made = lock(&self.made);
        *made += 1;
        let begin = self.now.now();
        let text = json!({
            "kind": "-----BEGIN FAKE-----", "serial": *made, "cn": subject.common_name, "o": subject.organization, "issuer": issuer, "path_len": path_len,
            "begin": begin.unix_timestamp(), "end": (begin + validity).unix_timestamp(),
        });
        Certificate { certificate: format!("{text}\n"), key: Secret::new(format!("key of {made}")) }
    }

    /// Signs an intermediate as a CA elsewhere would.
    pub fn sign(&self, issuer: &Certificate, common_name: &str, path_len: Option<u32>, validity: Duration) -> Certificate {
        let subject = CaSubject { common_name: common_name.to_owned(), organization: String::new(), algorithm: KeyAlgorithm::default() };
        let issuer = Self::read(&issuer.certificate).expect("a certificate");
        self.make(&subject, issuer[0]["serial"].as_u64(), path_len, validity)
    }

    /// Signs a request as a CA elsewhere would.
    pub fn sign_request(&self, issuer: &Certificate, request: &str, validity: Duration) -> String {
        let signed = self.sign(issuer, "requested", Some(0), validity).certificate;
        let mut signed = Self::read(&signed).expect("a certificate").swap_remove(0);
        signed["key"] = Self::requested(request).expect("a request")["serial"].clone();
        format!("{signed}\n")
    }

    /// Returns a chain with a server's certificate before it, issued by its first one.
    pub fn issued_by(chain: &str) -> String {
        let issuer = Self::read(chain).map(|read| read[0]["serial"].clone()).unwrap_or_default();
        format!("{}\n{chain}", json!({"serial": 0, "issuer": issuer}))
    }

    fn requested(request: &str) -> Result<Json, Failure> {
        let unusable = || Failure::new(FailureKind::Rejected, "Unusable signing request", "It is not in PEM.");
        Self::read(request.strip_prefix("request of ").ok_or_else(unusable)?).map(|mut read| read.swap_remove(0))
    }

    fn read(certificates: &str) -> Result<Vec<Json>, Failure> {
        let unusable = || Failure::new(FailureKind::Rejected, "Unusable certificate", "It is not in PEM.");
        let read: Result<Vec<Json>, _> = serde_json::Deserializer::from_str(certificates).into_iter().collect();
        read.ok().filter(|read| !read.is_empty()).ok_or_else(unusable)
    }

    fn facts(read: &Json) -> CertificateFacts {
        let time = |field: &str| time::OffsetDateTime::from_unix_timestamp(read[field].as_i64().unwrap_or_default()).expect("a time");
        let name = |serial: &Json| Name { der: serial.to_string().into_bytes(), text: format!("CN=number {serial}") };
        CertificateFacts {
            pem: format!("{read}\n"),
            fingerprint: format!("fingerprint-{}", read["serial"]),
            subject: name(&read["serial"]),
            issuer: name(if read["issuer"].is_null() { &read["serial"] } else { &read["issuer"] }),
            not_before: time("begin"),
            not_after: time("end"),
            organization: read["o"].as_str().unwrap_or_default().to_owned(),
            common_name: read["cn"].as_str().unwrap_or_default().to_owned(),
            uris: Vec::new(),
            algorithm: "ECDSA P-256".to_owned(),
            may_sign: true,
            path_len: read["path_len"].as_u64().and_then(|length| u32::try_from(length).ok()),
        }
    }

    fn is_key_of(read: &Json, key: &Secret) -> bool {
        let number = if read["key"].is_null() { &read["serial"] } else { &read["key"] };
        key.reveal() == format!("key of {number}")
    }

    fn check(part: CaPart, read: &Json, below: u32, at: time::OffsetDateTime) -> Result<(), Flaw> {
        let facts = Self::facts(read);
        let flaw = |reason: &str| Err(Flaw { part, reason: format!("The certificate of \"{}\" {reason}.", facts.subject.text) });
        match () {
            () if facts.not_after < at => flaw("expired"),
            () if facts.path_len.is_some_and(|allowed| allowed < below) => flaw("may not sign further authorities"),
            () => Ok(()),
        }
    }
}

impl Authority for FakeAuthority {
    fn create_root(&self, subject: &CaSubject, validity: Duration) -> Result<Certificate, Failure> {
        Ok(self.make(subject, None, None, validity))
    }

    fn issue_intermediate(&self, root: &Certificate, wanted: &NewIntermediate) -> Result<Certificate, Failure> {
        let signer = Self::read(&root.certificate)?.into_iter().find(|read| Self::is_key_of(read, &root.key));
        let signer = signer.ok_or_else(|| Failure::new(FailureKind::Rejected, "Unusable private key", "It is of another root."))?;
        Ok(self.make(&wanted.subject, signer["serial"].as_u64(), Some(0), wanted.validity))
    }

    fn create_request(&self, subject: &CaSubject) -> Result<SigningRequest, Failure> {
        let made = self.make(subject, None, Some(0), Duration::ZERO);
        Ok(SigningRequest { request: format!("request of {}", made.certificate), key: made.key })
    }

    fn is_key_of_request(&self, request: &str, key: &Secret) -> Result<bool, Failure> {
        Self::requested(request).map(|read| Self::is_key_of(&read, key))
    }

    fn answers_request(&self, certificate: &str, request: &str) -> Result<bool, Failure> {
        Ok(Self::read(certificate)?[0]["key"] == Self::requested(request)?["serial"])
    }

    fn inspect(&self, certificate: &str) -> Result<CertificateFacts, Failure> {
        Self::read(certificate).map(|read| Self::facts(&read[0]))
    }

    fn inspect_all(&self, certificates: &str) -> Result<Vec<CertificateFacts>, Failure> {
        Self::read(certificates).map(|read| read.iter().map(Self::facts).collect())
    }

    fn key_matches(&self, certificate: &str, key: &Secret) -> Result<bool, Failure> {
        Self::read(certificate).map(|read| Self::is_key_of(&read[0], key))
    }

    fn plain_key(&self, key: &Secret) -> Result<Secret, Flaw> {
        Ok(key.clone())
    }

    fn verify_root(&self, roots: &str, key: Option<&Secret>, at: time::OffsetDateTime) -> Result<CertificateFacts, Flaw> {
        let read = Self::read(roots).map_err(|failure| Flaw { part: CaPart::Roots, reason: failure.why })?;
        let signer = read.iter().find(|read| key.is_none_or(|key| Self::is_key_of(read, key)));
        let signer = signer.ok_or(Flaw { part: CaPart::Key, reason: "The private key belongs to no root.".to_owned() })?;
        Self::check(CaPart::Roots, signer, 1, at).map(|()| Self::facts(signer))
    }

    fn verify(&self, bundle: &CaBundle, purpose: &CaUse) -> Result<CaPath, Flaw> {
        let path = self.verify_path(&bundle.certificate, &bundle.chain, &bundle.roots, purpose)?;
        if self.key_matches(&bundle.certificate, &bundle.key).is_ok_and(|matches| matches) {
            return Ok(path);
        }
        Err(Flaw { part: CaPart::Key, reason: "The private key belongs to another certificate.".to_owned() })
    }

    fn verify_path(&self, certificate: &str, chain: &str, roots: &str, purpose: &CaUse) -> Result<CaPath, Flaw> {
        let part = |part: CaPart, text: &str| Self::read(text).map_err(|failure| Flaw { part, reason: failure.why });
        let own = part(CaPart::Certificate, certificate)?;
        let chain = if chain.is_empty() { Vec::new() } else { part(CaPart::Chain, chain)? };
        let roots = part(CaPart::Roots, roots)?;
        let (mut path, mut below) = (vec![Self::facts(&own[0])], 0);
        let mut last = own[0].clone();
        Self::check(CaPart::Certificate, &last, below, purpose.at)?;
        while !roots.contains(&last) {
            let signer = roots.iter().chain(&chain).find(|other| !last["issuer"].is_null() && other["serial"] == last["issuer"]);
            let reason = format!("The path from number {} to a root is incomplete.", last["serial"]);
            last = signer.ok_or(Flaw { part: CaPart::Certificate, reason })?.clone();
            below += 1;
            Self::check(if roots.contains(&last) { CaPart::Roots } else { CaPart::Chain }, &last, below, purpose.at)?;
            path.push(Self::facts(&last));
        }
        Ok(CaPath(path))
    }
}
