//! What a certificate must be to be a CA at all, whatever its place: version, serial number, key, and extensions.

use x509_parser::{
    certificate::X509Certificate,
    extensions::{ParsedExtension, X509Extension},
    oid_registry::{
        OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER, OID_X509_EXT_BASIC_CONSTRAINTS, OID_X509_EXT_CERTIFICATE_POLICIES,
        OID_X509_EXT_CRL_DISTRIBUTION_POINTS, OID_X509_EXT_EXTENDED_KEY_USAGE, OID_X509_EXT_INHIBIT_ANY_POLICY, OID_X509_EXT_KEY_USAGE,
        OID_X509_EXT_NAME_CONSTRAINTS, OID_X509_EXT_POLICY_CONSTRAINTS, OID_X509_EXT_POLICY_MAPPINGS, OID_X509_EXT_SUBJECT_ALT_NAME,
        OID_X509_EXT_SUBJECT_KEY_IDENTIFIER, Oid,
    },
};

use super::algorithm::KeyKind;

/// Reports why a certificate can't be a CA's: a clause that follows "it can't be used".
pub(super) fn check(certificate: &X509Certificate<'_>) -> Result<(), String> {
    let serial = certificate.raw_serial();
    if serial.first().is_some_and(|byte| byte & 0x80 != 0) {
        return Err("its serial number is negative, which istiod can't read".to_owned());
    }
    KeyKind::of(certificate.public_key())?;
    if let Some(unknown) = certificate.extensions().iter().find(|extension| extension.critical && !is_known(extension)) {
        return Err(format!("istiod doesn't know its critical extension {}", unknown.oid));
    }
    if let Some(broken) = certificate.extensions().iter().find(|extension| extension.parsed_extension().error().is_some()) {
        return Err(format!("its extension {} is malformed", broken.oid));
    }
    let constraints = certificate.basic_constraints().map_err(|_| "its basicConstraints extension occurs twice".to_owned())?;
    if !constraints.is_some_and(|constraints| constraints.value.ca) {
        return Err("it is not a CA's: it lacks basicConstraints CA:TRUE".to_owned());
    }
    let usage = certificate.key_usage().map_err(|_| "its keyUsage extension occurs twice".to_owned())?;
    if usage.is_some_and(|usage| !usage.value.key_cert_sign()) {
        return Err("it may not sign certificates: its key usage lacks keyCertSign".to_owned());
    }
    let extended = certificate.extended_key_usage().map_err(|_| "its extendedKeyUsage extension occurs twice".to_owned())?;
    match extended.map(|extended| extended.value) {
        Some(usage) if !(usage.any || usage.server_auth && usage.client_auth) => {
            Err("its extended key usage doesn't include both serverAuth and clientAuth, and workloads are servers and clients".to_owned())
        }
        _ => Ok(()),
    }
}

/// Reports whether a CA may sign certificates.
pub(super) fn may_sign(certificate: &X509Certificate<'_>) -> bool {
    certificate.is_ca() && certificate.key_usage().is_ok_and(|usage| usage.is_none_or(|usage| usage.value.key_cert_sign()))
}

fn is_known(extension: &X509Extension<'_>) -> bool {
    const KNOWN: [Oid<'static>; 12] = [
        OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER,
        OID_X509_EXT_BASIC_CONSTRAINTS,
        OID_X509_EXT_CERTIFICATE_POLICIES,
        OID_X509_EXT_CRL_DISTRIBUTION_POINTS,
        OID_X509_EXT_EXTENDED_KEY_USAGE,
        OID_X509_EXT_INHIBIT_ANY_POLICY,
        OID_X509_EXT_KEY_USAGE,
        OID_X509_EXT_NAME_CONSTRAINTS,
        OID_X509_EXT_POLICY_CONSTRAINTS,
        OID_X509_EXT_POLICY_MAPPINGS,
        OID_X509_EXT_SUBJECT_ALT_NAME,
        OID_X509_EXT_SUBJECT_KEY_IDENTIFIER,
    ];
    KNOWN.contains(&extension.oid) && !matches!(extension.parsed_extension(), ParsedExtension::UnsupportedExtension { .. })
}
