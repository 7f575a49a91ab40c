//! Tables of CAs that can't be used, each with the sentence that refuses it, and of unusual ones that can.

use super::*;

/// A bundle of files in a folder, by their names.
struct Case {
    /// What is special about it.
    name: &'static str,
    /// Makes its files, in a folder that has a root `r`, an issuing CA `i` below it, and istiod's CA `c` below that.
    script: &'static str,
    certificate: &'static str,
    key: &'static str,
    chain: &'static str,
    roots: &'static str,
    /// Days from now.
    at: i64,
    /// Part and sentence, or `None` if it can be used.
    refused: Option<(CaPart, &'static str)>,
    /// Whether openssl agrees; `None` where the case is not about a path.
    openssl: Option<bool>,
}

const GOOD: Case = Case {
    name: "",
    script: "",
    certificate: "c.pem",
    key: "c.key",
    chain: "i.pem",
    roots: "r.pem",
    at: 1,
    refused: None,
    openssl: Some(true),
};

const BASE: &str = "root r '/O=Corp/CN=Root'; ca i '/O=Corp/CN=Issuing' r; ca c '/O=Corp/CN=Istio' i";

const fn path(name: &'static str, script: &'static str, part: CaPart, sentence: &'static str) -> Case {
    Case { name, script, refused: Some((part, sentence)), openssl: Some(false), ..GOOD }
}

/// Openssl accepts it, Go or Envoy doesn't; or it is not about a path.
const fn stricter(name: &'static str, script: &'static str, part: CaPart, sentence: &'static str) -> Case {
    Case { name, script, refused: Some((part, sentence)), openssl: None, ..GOOD }
}

const PATHS: &[Case] = &[
    Case { at: 60, ..path("expired", "", CaPart::Certificate, "The certificate of \"O=Corp, CN=Istio\" expired at ") },
    Case { at: -10, ..path("not yet valid", "", CaPart::Certificate, "is not valid before ") },
    Case {
        at: 10,
        ..path("expired root", "root r '/O=Corp/CN=Root' '' -days 5", CaPart::Roots, "The certificate of \"O=Corp, CN=Root\" expired at ")
    },
    Case {
        at: 10,
        ..path(
            "expired issuer",
            "ca i '/O=Corp/CN=Issuing' r '' -days 5",
            CaPart::Chain,
            "The certificate of \"O=Corp, CN=Issuing\" expired",
        )
    },
    path(
        "leaf as root",
        "root r '/O=Corp/CN=Root' basicConstraints=CA:FALSE",
        CaPart::Roots,
        "it is not a CA's: it lacks basicConstraints CA:TRUE",
    ),
    path("leaf as issuer", "ca i '/O=Corp/CN=Issuing' r basicConstraints=CA:FALSE", CaPart::Chain, "it is not a CA's"),
    path("leaf as CA", "ca c '/O=Corp/CN=Istio' i basicConstraints=CA:FALSE", CaPart::Certificate, "it is not a CA's"),
    path(
        "no extensions at all",
        "ca c '/O=Corp/CN=Istio' i subjectKeyIdentifier=hash",
        CaPart::Certificate,
        "it lacks basicConstraints CA:TRUE",
    ),
    Case {
        certificate: "i.pem",
        key: "i.key",
        chain: "",
        ..path(
            "root with pathlen:0",
            "root r '/O=Corp/CN=Root' basicConstraints=critical,CA:TRUE,pathlen:0",
            CaPart::Roots,
            "may not sign further authorities: its path length is 0",
        )
    },
    path(
        "root with pathlen:1 and two below",
        "root r '/O=Corp/CN=Root' basicConstraints=critical,CA:TRUE,pathlen:1",
        CaPart::Roots,
        "may have 1 further authorities below it (basicConstraints pathlen:1), and there are 2",
    ),
    path(
        "issuer with pathlen:0",
        "ca i '/O=Corp/CN=Issuing' r basicConstraints=critical,CA:TRUE,pathlen:0",
        CaPart::Chain,
        "\"O=Corp, CN=Issuing\" may not sign further authorities: its path length is 0",
    ),
    path(
        "root without keyCertSign",
        "root r '/O=Corp/CN=Root' 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,digitalSignature'",
        CaPart::Roots,
        "may not sign certificates: its key usage lacks keyCertSign",
    ),
    path(
        "CA without keyCertSign",
        "ca c '/O=Corp/CN=Istio' i 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,digitalSignature'",
        CaPart::Certificate,
        "its key usage lacks keyCertSign",
    ),
    path(
        "CA for clients only",
        "ca c '/O=Corp/CN=Istio' i 'basicConstraints=critical,CA:TRUE\nextendedKeyUsage=clientAuth'",
        CaPart::Certificate,
        "doesn't include both serverAuth and clientAuth",
    ),
    Case {
        chain: "",
        ..path("issuer missing", "", CaPart::Certificate, "the certificate of its issuer \"O=Corp, CN=Issuing\" is neither in")
    },
    path(
        "root of the same name with another key",
        "rm r.key; root r '/O=Corp/CN=Root' basicConstraints=CA:TRUE",
        CaPart::Chain,
        "its signature isn't by the key of \"O=Corp, CN=Root\"",
    ),
    Case {
        roots: "o.pem",
        ..path(
            "another root",
            "root o '/CN=Other'",
            CaPart::Chain,
            "issuer \"O=Corp, CN=Root\" is neither in the chain nor among the roots. Given are \"CN=Other\"",
        )
    },
    Case {
        certificate: "s.pem",
        key: "s.key",
        chain: "",
        ..path(
            "self-signed CA that isn't a root",
            "root s '/CN=Self'; cp s.pem c.pem; cp s.key c.key",
            CaPart::Certificate,
            "is self-signed and isn't one of the roots",
        )
    },
    stricter(
        "issuer's signature by SHA-1",
        "ca c '/O=Corp/CN=Istio' i '' -sha1",
        CaPart::Certificate,
        "signed with the algorithm SHA-1 with ECDSA",
    ),
    stricter(
        "root of RSA 1024",
        "openssl genrsa -out r.key 1024; root r '/O=Corp/CN=Root'; ca i '/O=Corp/CN=Issuing' r",
        CaPart::Roots,
        "its RSA key has 1024 bits; 2048 to 8192 can be used",
    ),
    stricter(
        "RSA-PSS with an unusual salt",
        "openssl genrsa -out i.key 2048; ca i '/O=Corp/CN=Issuing' r; ca c '/O=Corp/CN=Istio' i '' -sigopt rsa_padding_mode:pss -sigopt \
         rsa_pss_saltlen:20",
        CaPart::Certificate,
        "RSA-PSS with parameters that istiod doesn't know",
    ),
    stricter(
        "root on another curve",
        "openssl ecparam -genkey -name secp256k1 -noout -out r.key; root r '/O=Corp/CN=Root'; ca i '/O=Corp/CN=Issuing' r",
        CaPart::Roots,
        "its key is on the elliptic curve 1.3.132.0.10",
    ),
    stricter(
        "root of Ed448",
        "openssl genpkey -algorithm ed448 -out r.key; root r '/O=Corp/CN=Root'; ca i '/O=Corp/CN=Issuing' r",
        CaPart::Roots,
        "ECDSA, RSA and Ed25519 can be used",
    ),
    stricter(
        "constraints that exclude istiod's name",
        "root r '/O=Corp/CN=Root' 'basicConstraints=CA:TRUE\nnameConstraints=critical,permitted;DNS:corp.example'",
        CaPart::Roots,
        "exclude the DNS name istiod.istio-system.svc",
    ),
    path(
        "constraints that exclude the trust domain",
        "root r '/O=Corp/CN=Root' 'basicConstraints=CA:TRUE\nnameConstraints=critical,excluded;URI:corp.local'",
        CaPart::Roots,
        "exclude URIs of the trust domain corp.local",
    ),
    path(
        "constraints that exclude the CA's own name",
        "root r '/O=Corp/CN=Root' 'basicConstraints=CA:TRUE\nnameConstraints=permitted;dirName:dir\n[dir]\nO=Other'",
        CaPart::Roots,
        "may not sign the authority \"O=Corp, CN=Istio\": its name constraints exclude that name",
    ),
    stricter(
        "critical constraints on directory names",
        "root r '/O=Corp/CN=Root' 'basicConstraints=CA:TRUE\nnameConstraints=critical,permitted;dirName:dir\n[dir]\nO=Corp'",
        CaPart::Roots,
        "critical name constraints on directory names, which istiod can't judge",
    ),
    path(
        "unknown critical extension",
        "ca c '/O=Corp/CN=Istio' i 'basicConstraints=CA:TRUE\n1.2.3.4=critical,DER:0500'",
        CaPart::Certificate,
        "istiod doesn't know its critical extension 1.2.3.4",
    ),
    stricter("negative serial number", "ca c '/O=Corp/CN=Istio' i '' -set_serial -5", CaPart::Certificate, "its serial number is negative"),
    path(
        "authority key identifier of another key",
        "root o '/CN=Other'; cp r.pem keep; printf '%s' \"$(openssl x509 -in o.pem -noout -ext subjectKeyIdentifier | tail -1 | tr -d ' ')\" > id; \
         root r '/O=Corp/CN=Root' \"basicConstraints=CA:TRUE\nsubjectKeyIdentifier=$(cat id)\"; ca i '/O=Corp/CN=Issuing' r; cp keep r.pem",
        CaPart::Chain,
        "its authority key identifier names another key than that of \"O=Corp, CN=Root\"",
    ),
    stricter(
        "the root's name in another encoding",
        "string_mask=nombstr; root r '/O=Corp/CN=Root'",
        CaPart::Chain,
        "the name is encoded differently, and verifiers compare it byte for byte",
    ),
    stricter(
        "a root first, the CA behind it",
        "cat r.pem c.pem > c2; mv c2 c.pem",
        CaPart::Certificate,
        "The private key belongs to certificate 2, \"O=Corp, CN=Istio\", and must belong to the first",
    ),
];

const FILES: &[Case] = &[
    Case {
        key: "r.key",
        ..stricter("another key", "", CaPart::Key, "doesn't belong to the certificate of \"O=Corp, CN=Istio\": their public keys differ")
    },
    stricter("key of another algorithm", "openssl genpkey -algorithm ed25519 -out c.key", CaPart::Key, "their public keys differ"),
    stricter(
        "DER",
        "openssl x509 -in r.pem -outform der | openssl base64 > t; mv t r.pem",
        CaPart::Roots,
        "a certificate in DER, encoded as base64, not in PEM",
    ),
    stricter("DER key", "openssl pkey -in c.key -outform der | openssl base64 > t; mv t c.key", CaPart::Key, "a private key in DER"),
    stricter("a file's path", "echo ./certs/root.pem > r.pem", CaPart::Roots, "give the file's contents, not its path"),
    stricter("empty", ": > r.pem", CaPart::Roots, "It is empty. Expected a certificate in PEM."),
    stricter("cut off", "head -n 3 r.pem > t; mv t r.pem", CaPart::Roots, "cut off: its `-----END` line is missing"),
    stricter("damaged base64", "sed '3s/.*/!!!!/' r.pem > t; mv t r.pem", CaPart::Roots, "A PEM block is damaged"),
    stricter(
        "damaged DER",
        "printf '%s\\n' '-----BEGIN CERTIFICATE-----' MAMCAQU= '-----END CERTIFICATE-----' > r.pem",
        CaPart::Roots,
        "it is not a valid X.509 certificate",
    ),
    stricter(
        "bundle with a key",
        "cat r.key >> r.pem",
        CaPart::Roots,
        "It holds a PRIVATE KEY block. Only CERTIFICATE blocks belong here.",
    ),
    stricter(
        "signing request",
        "cp c.csr c.pem",
        CaPart::Certificate,
        "a signing request (CERTIFICATE REQUEST), which a CA has to sign first",
    ),
    stricter("trusted certificate", "openssl x509 -in r.pem -trustout -out t; mv t r.pem", CaPart::Roots, "TRUSTED CERTIFICATE"),
    stricter("PKCS #7", "openssl crl2pkcs7 -nocrl -certfile r.pem -out t; mv t r.pem", CaPart::Roots, "a PKCS #7 container"),
    stricter("indented", "sed 's/^/    /' r.pem > t; mv t r.pem", CaPart::Roots, "indented or follows other text"),
    stricter("byte order mark", "printf '\\357\\273\\277' > t; cat r.pem >> t; mv t r.pem", CaPart::Roots, "byte order mark"),
    stricter("headers", "sed '1a X-Note: hello\\n' r.pem > t; mv t r.pem", CaPart::Roots, "has headers"),
    stricter("two keys", "cat r.key >> c.key", CaPart::Key, "It holds 2 private keys. Exactly one belongs here."),
    stricter(
        "encrypted key",
        "openssl pkey -in c.key -aes256 -passout pass:word -out t; mv t c.key",
        CaPart::Key,
        "encrypted with a passphrase",
    ),
    stricter(
        "encrypted key, SEC 1",
        "openssl ec -in c.key -aes256 -passout pass:word -out t; mv t c.key",
        CaPart::Key,
        "encrypted with a passphrase",
    ),
    stricter(
        "public key",
        "openssl pkey -in c.key -pubout -out t; mv t c.key",
        CaPart::Key,
        "It holds a PUBLIC KEY block, and no private key.",
    ),
    stricter("certificate as key", "cp c.pem c.key", CaPart::Key, "It holds a CERTIFICATE block, and no private key."),
    stricter(
        "key on another curve",
        "openssl ecparam -genkey -name secp256k1 -noout -out c.key",
        CaPart::Key,
        "of an algorithm that can't be used",
    ),
];

const ACCEPTED: &[Case] = &[
    Case { name: "a chain of three", ..GOOD },
    Case { name: "the root issues istiod's CA itself", certificate: "i.pem", key: "i.key", chain: "", ..GOOD },
    Case { name: "the root signs for istiod itself", certificate: "r.pem", key: "r.key", chain: "", ..GOOD },
    Case { name: "the chain in the certificate's file", script: "cat i.pem >> c.pem", chain: "", ..GOOD },
    Case { name: "a chain with all certificates in any order", script: "cat r.pem i.pem c.pem > all", chain: "all", ..GOOD },
    Case { name: "CRLF", script: "for f in r.pem c.pem i.pem c.key; do sed -i 's/$/\\r/' $f; done", openssl: None, ..GOOD },
    Case { name: "descriptions before the blocks", script: "openssl x509 -in r.pem -text > t; mv t r.pem", ..GOOD },
    Case { name: "several roots", script: "root o '/CN=Old'; cat r.pem >> o.pem", roots: "o.pem", ..GOOD },
    Case {
        name: "an expired root beside the right one",
        script: "root o '/CN=Old' '' -days 1; cat r.pem >> o.pem",
        roots: "o.pem",
        at: 3,
        ..GOOD
    },
    Case { name: "pathlen just enough", script: "root r '/O=Corp/CN=Root' basicConstraints=CA:TRUE,pathlen:2", ..GOOD },
    Case { name: "no key usage", script: "root r '/O=Corp/CN=Root' basicConstraints=CA:TRUE", ..GOOD },
    Case { name: "a root that isn't self-signed", certificate: "c.pem", chain: "", roots: "i.pem", openssl: None, ..GOOD },
    // Nobody verifies a trusted root's own signature.
    Case { name: "a root that signed itself with SHA-1", script: "root r '/O=Corp/CN=Root' '' -sha1", ..GOOD },
    Case {
        name: "RSA-PSS",
        script: "openssl genrsa -out i.key 2048; ca i '/O=Corp/CN=Issuing' r; ca c '/O=Corp/CN=Istio' i '' -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:-1 -sha384",
        ..GOOD
    },
    Case {
        name: "ECDSA P-384 with SHA-512",
        script: "openssl ecparam -genkey -noout -name secp384r1 -out i.key; ca i '/O=Corp/CN=Issuing' r; ca c '/O=Corp/CN=Istio' i '' -sha512",
        ..GOOD
    },
    Case {
        name: "name constraints that a mesh keeps",
        script: "root r '/O=Corp/CN=Root' 'basicConstraints=CA:TRUE\nnameConstraints=critical,permitted;DNS:svc,permitted;URI:corp.local'",
        ..GOOD
    },
    Case {
        name: "cross-signed: two certificates of one issuer, one of them by an unknown root",
        script: "root o '/CN=Old'; cp i.pem i1; cp i.csr k.csr; conf k \"$CA_EXTENSIONS\"; sign k o; cat k.pem i1 > i2",
        chain: "i2",
        // openssl doesn't look for another way.
        openssl: None,
        ..GOOD
    },
];

fn check(cases: &[Case]) {
    let base = Folder::new(BASE);
    let names = ["r.pem", "r.key", "i.pem", "i.key", "i.csr", "c.pem", "c.key", "c.csr"];
    let files = names.map(|name| (name, base.read(name)));
    for case in cases {
        let folder = Folder::new("");
        for (name, text) in &files {
            folder.write(name, text);
        }
        folder.run(case.script);
        let (name, at) = (case.name, OffsetDateTime::now_utc() + time::Duration::days(case.at));
        let bundle = CaBundle {
            certificate: folder.read(case.certificate),
            key: Secret::new(folder.read(case.key)),
            chain: folder.read(case.chain),
            roots: folder.read(case.roots),
        };
        match (Certificates.verify(&bundle, &CaUse { at, ..now() }), case.refused) {
            (Ok(_), None) => {}
            (Ok(_), Some(_)) => panic!("{name}: it isn't refused"),
            (Err(flaw), None) => panic!("{name}: {flaw}"),
            (Err(flaw), Some((part, sentence))) => {
                assert_eq!(flaw.part, part, "{name}: {flaw}");
                assert!(flaw.reason.contains(sentence), "{name}: {flaw}");
                assert!(flaw.reason.ends_with(['.', '`', '"']), "{name}: not a whole sentence: {flaw}");
                println!("{name}: {flaw}");
            }
        }
        if let Some(expected) = case.openssl {
            // What the workload presents is its CA and what leads from there to the root.
            folder.run(&format!("cat {} {} > presented", case.certificate, case.chain));
            let verdict = folder.judge(case.key.trim_end_matches(".key"), "presented", case.roots, at);
            assert_eq!(verdict.is_ok(), expected, "{name}: openssl: {verdict:?}");
        }
    }
}

#[test]
fn a_ca_whose_path_a_peer_would_refuse_is_refused_with_the_reason() {
    check(PATHS);
}

#[test]
fn a_file_that_istiod_would_not_read_is_refused_with_the_reason() {
    check(FILES);
}

#[test]
fn unusual_cas_that_verify_are_accepted() {
    check(ACCEPTED);
}
