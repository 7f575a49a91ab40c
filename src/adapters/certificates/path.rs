//! Path validation: whether a CA leads to its root, and why istiod or a workload's proxy would refuse what it signs.

use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use x509_parser::{
    certificate::X509Certificate,
    extensions::{AuthorityKeyIdentifier, ParsedExtension},
    x509::X509Name,
};

use super::{
    algorithm::verify_signature,
    constraint, parse,
    pem::{self, Key},
    profile,
};
use crate::data::{CaPart, CaUse, Flaw, Secret};

/// A certificate and the part of the CA it was given in.
struct Member<'a> {
    part: CaPart,
    certificate: X509Certificate<'a>,
}

/// A distinguished name in quotation marks.
pub(super) fn quoted(name: &X509Name<'_>) -> String {
    format!("\"{name}\"")
}

fn flaw(part: CaPart, reason: impl Into<String>) -> Flaw {
    Flaw { part, reason: reason.into() }
}

/// Reads the certificates of one part.
fn read(part: CaPart, text: &str) -> Result<Vec<Vec<u8>>, Flaw> {
    pem::certificates(text).map_err(|reason| flaw(part, reason))
}

/// Checks each certificate of one part by itself.
fn members(part: CaPart, ders: &[Vec<u8>]) -> Result<Vec<Member<'_>>, Flaw> {
    let member = |(index, der): (usize, &'_ Vec<u8>)| -> Result<(), Flaw> {
        let which = || if ders.len() == 1 { String::new() } else { format!(" {}", index + 1) };
        let certificate = parse(der).map_err(|reason| flaw(part, format!("The certificate{} can't be read: {reason}.", which())))?;
        profile::check(&certificate).map_err(|reason| {
            flaw(part, format!("The certificate{} of {} can't be used: {reason}.", which(), quoted(certificate.subject())))
        })
    };
    ders.iter().enumerate().try_for_each(member)?;
    Ok(ders.iter().filter_map(|der| parse(der).ok()).map(|certificate| Member { part, certificate }).collect())
}

/// Reads a private key.
pub(super) fn read_key(key: &Secret) -> Result<Key, Flaw> {
    pem::key(key.reveal()).map_err(|reason| flaw(CaPart::Key, reason))
}

fn belongs(key: &Key, certificate: &X509Certificate<'_>) -> bool {
    use rcgen::PublicKeyData as _;
    key.pair.der_bytes() == certificate.public_key().subject_public_key.data.as_ref()
}

/// The key, and the DER of the root that it belongs to.
pub(super) fn signer(roots: &str, key: &Secret) -> Result<(Key, Vec<u8>), Flaw> {
    let ders = read(CaPart::Roots, roots)?;
    let members = members(CaPart::Roots, &ders)?;
    let key = read_key(key)?;
    match members.iter().position(|member| belongs(&key, &member.certificate)) {
        Some(index) => Ok((key, ders[index].clone())),
        None => Err(flaw(CaPart::Key, not_the_key_of(&members))),
    }
}

fn not_the_key_of(members: &[Member<'_>]) -> String {
    let names: Vec<_> = members.iter().map(|member| quoted(member.certificate.subject())).collect();
    format!(
        "The private key doesn't belong to the certificate of {}: their public keys differ. Use the key that the certificate was made with.",
        names.join(" or ")
    )
}

/// Verifies that a root can sign an intermediate; returns the root's DER.
pub(super) fn verify_root(roots: &str, key: Option<&Secret>, at: OffsetDateTime) -> Result<Vec<u8>, Flaw> {
    let der = if let Some(key) = key {
        signer(roots, key)?.1
    } else {
        let ders = read(CaPart::Roots, roots)?;
        members(CaPart::Roots, &ders)?;
        ders.into_iter().next().unwrap_or_default()
    };
    let member = Member { part: CaPart::Roots, certificate: parse(&der).map_err(|reason| flaw(CaPart::Roots, reason))? };
    position(&member, 1, at)?;
    Ok(der)
}

/// Verifies a CA, and its key if given; returns the DER of the path from it to its root.
pub(super) fn verify(certificate: &str, chain: &str, roots: &str, key: Option<&Secret>, purpose: &CaUse) -> Result<Vec<Vec<u8>>, Flaw> {
    let own = read(CaPart::Certificate, certificate)?;
    let chain = if chain.trim().is_empty() { Vec::new() } else { read(CaPart::Chain, chain)? };
    let roots = read(CaPart::Roots, roots)?;
    let own = members(CaPart::Certificate, &own)?;
    let (chain, roots) = (members(CaPart::Chain, &chain)?, members(CaPart::Roots, &roots)?);

    if let Some(key) = key {
        check_key(&read_key(key)?, &own)?;
    }
    let (mut own, mut candidates) = (own.into_iter(), roots);
    let first = own.next().ok_or_else(|| flaw(CaPart::Certificate, "It holds no certificate."))?;
    candidates.extend(chain);
    candidates.extend(own);
    let path = build(&first, &mut candidates, purpose.at)?;
    for (below, member) in path.iter().enumerate() {
        position(member, below, purpose.at)?;
        let lower: Vec<_> = path[..below].iter().map(|member| &member.certificate).collect();
        constraint::check(&member.certificate, &lower, purpose)
            .map_err(|reason| flaw(member.part, format!("The certificate of {} {reason}.", quoted(member.certificate.subject()))))?;
    }
    Ok(path.iter().map(|member| member.certificate.as_raw().to_vec()).collect())
}

/// Checks that a key belongs to the first of the certificates.
fn check_key(key: &Key, own: &[Member<'_>]) -> Result<(), Flaw> {
    match own.iter().position(|member| belongs(key, &member.certificate)) {
        Some(0) => Ok(()),
        Some(owner) => Err(flaw(
            CaPart::Certificate,
            format!(
                "The private key belongs to certificate {}, {}, and must belong to the first: put the CA's own certificate first, then its \
                 issuers.",
                owner + 1,
                quoted(own[owner].certificate.subject())
            ),
        )),
        None => Err(flaw(CaPart::Key, not_the_key_of(&own[..1]))),
    }
}

/// Finds the way from a CA to a root, by issuer and signature.
fn build<'a>(first: &'a Member<'a>, candidates: &'a mut [Member<'a>], at: OffsetDateTime) -> Result<Vec<&'a Member<'a>>, Flaw> {
    // A root that signs for istiod itself is in both places.
    if let Some(same) = candidates.iter().position(|other| is_root(other) && other.certificate.as_raw() == first.certificate.as_raw()) {
        return Ok(vec![&candidates[same]]);
    }
    // Roots first, and of the same rank those that are valid now: a CA may have been certified more than once.
    candidates.sort_by_key(|member| (!is_root(member), validity(member, at).is_err()));
    let (mut path, mut problem) = (vec![first], None);
    if extend(&mut path, candidates, &mut problem) {
        return Ok(path);
    }
    Err(problem.unwrap_or_else(|| without_issuer(first, candidates)))
}

fn is_root(member: &Member<'_>) -> bool {
    member.part == CaPart::Roots
}

/// Goes on from the end of the path, and back where a way ends without a root. Keeps the first problem.
fn extend<'a>(path: &mut Vec<&'a Member<'a>>, candidates: &'a [Member<'a>], problem: &mut Option<Flaw>) -> bool {
    let Some(&last) = path.last() else { return false };
    if is_root(last) {
        return true;
    }
    let mut named = 0;
    for candidate in candidates {
        if candidate.certificate.subject().as_raw() != last.certificate.issuer().as_raw()
            || path.iter().any(|member| member.certificate.as_raw() == candidate.certificate.as_raw())
        {
            continue;
        }
        named += 1;
        match is_issued_by(&last.certificate, &candidate.certificate) {
            Ok(()) => {
                path.push(candidate);
                if extend(path, candidates, problem) {
                    return true;
                }
                path.pop();
            }
            Err(reason) => {
                let subject = quoted(last.certificate.subject());
                problem.get_or_insert_with(|| flaw(last.part, format!("The certificate of {subject} doesn't verify: {reason}.")));
            }
        }
    }
    if named == 0 {
        problem.get_or_insert_with(|| without_issuer(last, candidates));
    }
    false
}

fn without_issuer(last: &Member<'_>, candidates: &[Member<'_>]) -> Flaw {
    let (subject, issuer) = (last.certificate.subject(), last.certificate.issuer());
    if subject.as_raw() == issuer.as_raw() {
        return flaw(last.part, format!("The certificate of {} is self-signed and isn't one of the roots.", quoted(subject)));
    }
    let look_alike = candidates.iter().any(|member| member.certificate.subject().to_string() == issuer.to_string());
    let detail = if look_alike {
        "A certificate with that name is given, but the name is encoded differently, and verifiers compare it byte for byte.".to_owned()
    } else {
        let mut given: Vec<_> = candidates.iter().map(|member| quoted(member.certificate.subject())).collect();
        given.sort();
        given.dedup();
        format!("Given are {}.", given.join(", "))
    };
    let reason = format!(
        "The path from {} to a root is incomplete: the certificate of its issuer {} is neither in the chain nor among the roots. {detail}",
        quoted(subject),
        quoted(issuer)
    );
    flaw(last.part, reason)
}

fn is_issued_by(certificate: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> Result<(), String> {
    verify_signature(certificate, issuer)?;
    let key_id = issuer.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0),
        _ => None,
    });
    let authority = certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(authority) => Some(authority),
        _ => None,
    });
    let Some(AuthorityKeyIdentifier { key_identifier, authority_cert_serial, .. }) = authority else { return Ok(()) };
    if let (Some(named), Some(id)) = (key_identifier, key_id)
        && named.0 != id
    {
        return Err(format!("its authority key identifier names another key than that of {}", quoted(issuer.subject())));
    }
    let number = |serial: &[u8]| serial.iter().skip_while(|byte| **byte == 0).copied().collect::<Vec<_>>();
    match authority_cert_serial {
        Some(serial) if number(serial) != number(issuer.raw_serial()) => {
            Err(format!("its authority key identifier names another certificate of {} (by serial number)", quoted(issuer.subject())))
        }
        _ => Ok(()),
    }
}

/// Checks what depends on the time and on the number of CAs below.
fn position(member: &Member<'_>, below: usize, at: OffsetDateTime) -> Result<(), Flaw> {
    validity(member, at)?;
    let path_len = member.certificate.basic_constraints().ok().flatten().and_then(|constraints| constraints.value.path_len_constraint);
    match path_len {
        Some(allowed) if (allowed as usize) < below => Err(flaw(
            member.part,
            if allowed == 0 {
                format!(
                    "The certificate of {} may not sign further authorities: its path length is 0 (basicConstraints pathlen:0). Workloads \
                     would refuse every certificate below it. If it was made for istiod to sign with, use it as a ready-made \
                     intermediate instead of as a root.",
                    quoted(member.certificate.subject())
                )
            } else {
                format!(
                    "The certificate of {} may have {allowed} further authorities below it (basicConstraints pathlen:{allowed}), and there \
                     are {below}.",
                    quoted(member.certificate.subject())
                )
            },
        )),
        _ => Ok(()),
    }
}

fn validity(member: &Member<'_>, at: OffsetDateTime) -> Result<(), Flaw> {
    let validity = member.certificate.validity();
    let (begin, end) = (validity.not_before.to_datetime(), validity.not_after.to_datetime());
    let shown = |time: OffsetDateTime| time.format(&Rfc3339).unwrap_or_else(|_| time.to_string());
    let subject = quoted(member.certificate.subject());
    if at < begin {
        Err(flaw(member.part, format!("The certificate of {subject} is not valid before {}.", shown(begin))))
    } else if at > end {
        Err(flaw(member.part, format!("The certificate of {subject} expired at {}.", shown(end))))
    } else {
        Ok(())
    }
}
