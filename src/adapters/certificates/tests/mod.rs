//! What is made verifies by openssl's judgement too, and what can't be used is refused with its reason.

mod openssl;
mod refused;

use openssl::Folder;

use super::*;
use crate::data::KeyAlgorithm;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn subject(common_name: &str) -> CaSubject {
    CaSubject { common_name: common_name.to_owned(), organization: "Corp".to_owned(), algorithm: KeyAlgorithm::default() }
}

fn root(validity: Duration) -> Certificate {
    Certificates.create_root(&subject("Root"), validity).unwrap()
}

fn wanted(validity: Duration) -> NewIntermediate {
    NewIntermediate { subject: subject("Istio CA of eu"), validity }
}

fn bundle(certificate: &Certificate, roots: &str) -> CaBundle {
    CaBundle {
        certificate: certificate.certificate.clone(),
        key: certificate.key.clone(),
        chain: certificate.certificate.clone(),
        roots: roots.to_owned(),
    }
}

fn now() -> CaUse {
    CaUse { at: OffsetDateTime::now_utc() + HOUR, namespace: Some("istio-system".to_owned()), trust_domain: Some("corp.local".to_owned()) }
}

#[test]
fn an_intermediate_leads_to_its_root_and_ends_with_it() {
    let (root, other) = (root(DAY * 30), root(DAY * 30));
    let issued = Certificates.issue_intermediate(&root, &wanted(DAY * 365)).unwrap();
    let facts = Certificates.inspect(&issued.certificate).unwrap();
    assert_eq!((facts.common_name.as_str(), facts.organization.as_str()), ("Istio CA of eu", "Corp"));
    assert_eq!((facts.may_sign, facts.path_len, facts.algorithm.as_str()), (true, Some(0), "ECDSA P-256"));
    assert_eq!(facts.issuer.text, "O=Corp, CN=Root");
    assert_eq!(facts.not_after, Certificates.inspect(&root.certificate).unwrap().not_after);
    assert_eq!(Certificates.verify(&bundle(&issued, &root.certificate), &now()).unwrap().0.len(), 2);
    let flaw = Certificates.verify(&bundle(&issued, &other.certificate), &now()).unwrap_err();
    assert_eq!(flaw.part, CaPart::Certificate);
    assert!(flaw.reason.contains("its signature isn't by the key of \"O=Corp, CN=Root\""), "{flaw}");
    assert!(Certificates.key_matches(&issued.certificate, &issued.key).unwrap());
    assert!(!Certificates.key_matches(&issued.certificate, &root.key).unwrap());
}

#[test]
fn validity_counts_in_whole_days() {
    let facts = Certificates.inspect(&root(DAY * 30).certificate).unwrap();
    assert_eq!((facts.not_after - facts.not_before).whole_days(), 30);
    assert_eq!(facts.fingerprint.len(), 64);
}

#[test]
fn a_key_is_in_no_message() {
    let root = root(DAY);
    let failure = Certificates.key_matches(&root.certificate, &Secret::new("not a key at all")).unwrap_err();
    assert!(!failure.to_string().contains("not a key at all"), "{failure}");
    let body = root.key.reveal().lines().nth(1).unwrap().to_owned();
    for certificate in [root.key.reveal().to_owned(), format!("{}{}", root.certificate, root.key.reveal())] {
        let failure = Certificates.inspect(&certificate).unwrap_err();
        assert!(failure.why.contains("holds a PRIVATE KEY block") && !failure.to_string().contains(&body), "{failure}");
    }
}

#[test]
fn a_users_root_signs_in_all_the_forms_that_openssl_writes() {
    for (form, key) in [
        ("RSA, PKCS #1", "openssl genrsa -traditional -out r.key 2048"),
        ("RSA, PKCS #8", "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out r.key"),
        ("EC, SEC 1, with the parameters before it", "openssl ecparam -genkey -name prime256v1 -out r.key"),
        ("EC P-384, PKCS #8", "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out r.key"),
        ("EC P-521, PKCS #8", "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521 -out r.key"),
        ("Ed25519", "openssl genpkey -algorithm ed25519 -out r.key"),
    ] {
        // Many a file has a description before the PEM block.
        let folder = Folder::new(&format!(
            "{key}; root r '/O=Corp/OU=Security & Trust/CN=Corp Root'; openssl x509 -in r.pem -text > r.text; cat r.pem >> r.text"
        ));
        issues_verifiable_intermediates(&folder, "r.text", form);
    }
}

#[test]
fn an_issuers_name_is_kept_byte_for_byte() {
    for name in [
        "/DC=com/DC=example/OU=a/OU=b/CN=x",
        "/DC=com/DC=corp/CN=Corp Root CA",
        "/O=Corp/CN=x+serialNumber=5",
        "/C=DE/ST=Bayern/L=München/O=Größe & Söhne/emailAddress=ca@example.com",
        "/CN=x/O=Corp",
    ] {
        // Names in ASCII are encoded in several ways.
        for mask in if name.is_ascii() { &["utf8only", "default", "nombstr"][..] } else { &["utf8only"] } {
            let folder = Folder::new(&format!("string_mask={mask}; root r '{name}'"));
            let root = folder.read("r.pem");
            let issued = issues_verifiable_intermediates(&folder, "r.pem", name);
            let (issued, root) = (Certificates.inspect(&issued).unwrap(), Certificates.inspect(&root).unwrap());
            assert_eq!(issued.issuer, root.subject, "{name}");
        }
    }
}

/// Issues an intermediate for the root `r.key` with its certificate in a file; lets openssl judge it and a workload below it.
fn issues_verifiable_intermediates(folder: &Folder, root: &str, case: &str) -> String {
    let root = Certificate { certificate: folder.read(root), key: Secret::new(folder.read("r.key")) };
    let issued = Certificates.issue_intermediate(&root, &wanted(DAY)).unwrap_or_else(|failure| panic!("{case}: {failure}"));
    let path = Certificates.verify(&bundle(&issued, &root.certificate), &now()).unwrap_or_else(|flaw| panic!("{case}: {flaw}"));
    assert_eq!(path.root().unwrap().fingerprint, Certificates.inspect(&root.certificate).unwrap().fingerprint, "{case}");
    folder.write("ca.pem", &issued.certificate);
    folder.write("ca.key", issued.key.reveal());
    assert_eq!(folder.judge("ca", "ca.pem", "r.pem", OffsetDateTime::now_utc() + DAY / 2), Ok(()), "{case}");
    issued.certificate
}

#[test]
fn intermediates_have_keys_of_the_wanted_algorithm() {
    let root = root(DAY * 30);
    for (algorithm, name) in
        [(KeyAlgorithm::EcdsaP384, "ECDSA P-384"), (KeyAlgorithm::Rsa2048, "RSA 2048"), (KeyAlgorithm::EcdsaP256, "ECDSA P-256")]
    {
        let subject = CaSubject { algorithm, ..subject("Istio CA") };
        let issued = Certificates.issue_intermediate(&root, &NewIntermediate { subject, validity: DAY }).unwrap();
        assert_eq!(Certificates.inspect(&issued.certificate).unwrap().algorithm, name);
        assert!(Certificates.verify(&bundle(&issued, &root.certificate), &now()).is_ok());
    }
}

#[test]
fn of_several_roots_the_one_with_the_key_signs() {
    let (old, new) = (root(DAY * 30), root(DAY * 60));
    let both = Certificate { certificate: format!("{}{}", old.certificate, new.certificate), key: new.key.clone() };
    let issued = Certificates.issue_intermediate(&both, &wanted(DAY)).unwrap();
    let path = Certificates.verify(&bundle(&issued, &both.certificate), &now()).unwrap();
    assert_eq!(path.root().unwrap().fingerprint, Certificates.inspect(&new.certificate).unwrap().fingerprint);
    assert!(Certificates.verify(&bundle(&issued, &old.certificate), &now()).is_err());
}

#[test]
fn a_signing_request_is_signed_elsewhere_and_belongs_to_its_key() {
    let request = Certificates.create_request(&subject("Istio CA of eu")).unwrap();
    let folder = Folder::new("root r '/O=Corp/CN=Corp Root'");
    folder.write("ca.csr", &request.request);
    folder.write("ca.key", request.key.reveal());
    folder.run("openssl req -in ca.csr -noout -text > ca.txt");
    let asked = folder.read("ca.txt");
    assert!(asked.contains("CA:TRUE, pathlen:0") && asked.contains("Certificate Sign"), "{asked}");
    assert!(Certificates.is_key_of_request(&request.request, &request.key).unwrap());
    let other = Certificates.create_request(&subject("Istio CA of eu")).unwrap();
    assert!(!Certificates.is_key_of_request(&request.request, &other.key).unwrap());
    folder.run("openssl req -in ca.csr -verify -noout; conf ca \"$CA_EXTENSIONS\"; sign ca r");
    assert!(Certificates.answers_request(&folder.read("ca.pem"), &request.request).unwrap());
    assert!(!Certificates.answers_request(&folder.read("ca.pem"), &other.request).unwrap());
    let signed = Certificate { certificate: folder.read("ca.pem"), key: request.key };
    assert_eq!(Certificates.inspect(&signed.certificate).unwrap().subject.text, "O=Corp, CN=Istio CA of eu");
    assert!(Certificates.verify(&bundle(&signed, &folder.read("r.pem")), &now()).is_ok());
}

#[test]
fn a_key_is_reduced_to_what_istiod_reads() {
    let folder = Folder::new("openssl ecparam -genkey -name prime256v1 -out r.key; root r '/CN=r'; cat r.pem >> r.key");
    let key = Certificates.plain_key(&Secret::new(folder.read("r.key"))).unwrap();
    assert!(key.reveal().starts_with("-----BEGIN EC PRIVATE KEY-----\n") && !key.reveal().contains("PARAMETERS"));
    assert!(Certificates.key_matches(&folder.read("r.pem"), &key).unwrap());
}

#[test]
fn a_root_that_can_sign_no_intermediate_is_refused_before_it_signs() {
    let at = OffsetDateTime::now_utc() + DAY;
    for (extensions, sentence) in [
        ("basicConstraints=critical,CA:TRUE,pathlen:0", "may not sign further authorities: its path length is 0"),
        ("basicConstraints=critical,CA:FALSE", "it lacks basicConstraints CA:TRUE"),
        ("basicConstraints=critical,CA:TRUE\nkeyUsage=critical,digitalSignature", "its key usage lacks keyCertSign"),
    ] {
        let folder = Folder::new(&format!("root r '/CN=Root' '{extensions}'"));
        let key = Secret::new(folder.read("r.key"));
        for key in [None, Some(&key)] {
            let flaw = Certificates.verify_root(&folder.read("r.pem"), key, at).unwrap_err();
            assert!(flaw.part == CaPart::Roots && flaw.reason.contains(sentence), "{flaw}");
        }
        let root = Certificate { certificate: folder.read("r.pem"), key };
        assert!(Certificates.issue_intermediate(&root, &wanted(DAY)).unwrap_err().why.contains(sentence));
    }
}

#[test]
fn the_identity_of_a_workload_is_read() {
    const IDENTITY: &str = "spiffe://corp.local/ns/echo/sa/echo";
    let mut params = rcgen::CertificateParams::new(["echo.local".to_owned()]).unwrap();
    params.subject_alt_names.push(rcgen::SanType::URI(IDENTITY.try_into().unwrap()));
    let made = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
    assert_eq!(Certificates.inspect(&made.pem()).unwrap().uris, [IDENTITY]);
}
