//! Name constraints: whether a CA may sign the names that a mesh has.

use x509_parser::{
    certificate::X509Certificate,
    extensions::{GeneralName, GeneralSubtree},
    x509::X509Name,
};

use super::path::quoted;
use crate::data::CaUse;

/// Reports which name of the mesh a CA's name constraints exclude: a clause that follows "the certificate of X". `below` are the CAs between
/// it and the workloads.
pub(super) fn check(certificate: &X509Certificate<'_>, below: &[&X509Certificate<'_>], purpose: &CaUse) -> Result<(), String> {
    let Some(constraints) = certificate.name_constraints().map_err(|_| "has two nameConstraints extensions".to_owned())? else {
        return Ok(());
    };
    let permitted = constraints.value.permitted_subtrees.as_deref().unwrap_or_default();
    let excluded = constraints.value.excluded_subtrees.as_deref().unwrap_or_default();
    // Go, and so istiod, judges DNS names, addresses and URIs, and refuses any other kind if the extension is critical.
    if constraints.critical
        && let Some(kind) = permitted.iter().chain(excluded).find_map(|subtree| unjudged(&subtree.base))
    {
        return Err(format!("has critical name constraints on {kind}, which istiod can't judge and therefore refuses"));
    }
    for ca in below {
        let name = ca.subject();
        allows(permitted, excluded, |base| match base {
            GeneralName::DirectoryName(base) => Some(is_within(name, base)),
            _ => None,
        })
        .map_err(|()| format!("may not sign the authority {}: its name constraints exclude that name", quoted(name)))?;
    }
    if let Some(namespace) = &purpose.namespace {
        let host = format!("istiod.{namespace}.svc");
        allows(permitted, excluded, |base| match base {
            GeneralName::DNSName(base) => Some(is_subdomain(&host, base)),
            _ => None,
        })
        .map_err(|()| format!("may not sign istiod's own certificate: its name constraints exclude the DNS name {host}"))?;
    }
    if let Some(trust_domain) = &purpose.trust_domain {
        allows(permitted, excluded, |base| match base {
            GeneralName::URI(base) => Some(is_host(trust_domain, base)),
            _ => None,
        })
        .map_err(|()| format!("may not sign workloads: its name constraints exclude URIs of the trust domain {trust_domain}"))?;
    }
    Ok(())
}

/// `matches` returns `None` for constraints on other kinds of names, which don't count.
fn allows(
    permitted: &[GeneralSubtree<'_>],
    excluded: &[GeneralSubtree<'_>],
    matches: impl Fn(&GeneralName<'_>) -> Option<bool>,
) -> Result<(), ()> {
    let mut of_kind = permitted.iter().filter_map(|subtree| matches(&subtree.base)).peekable();
    let is_permitted = of_kind.peek().is_none() || of_kind.any(|matched| matched);
    let is_excluded = excluded.iter().any(|subtree| matches(&subtree.base) == Some(true));
    if is_permitted && !is_excluded { Ok(()) } else { Err(()) }
}

fn unjudged(name: &GeneralName<'_>) -> Option<&'static str> {
    match name {
        GeneralName::DNSName(_) | GeneralName::URI(_) | GeneralName::IPAddress(_) | GeneralName::RFC822Name(_) => None,
        GeneralName::DirectoryName(_) => Some("directory names"),
        _ => Some("an unusual kind of names"),
    }
}

/// A DNS constraint `svc` covers `svc` and all below it, `.svc` only what is below.
fn is_subdomain(host: &str, base: &str) -> bool {
    let (host, base) = (host.to_ascii_lowercase(), base.to_ascii_lowercase());
    base.is_empty()
        || match base.strip_prefix('.') {
            Some(_) => host.ends_with(&base),
            None => host == base || host.ends_with(&format!(".{base}")),
        }
}

/// A URI constraint `corp.local` covers that host, `.corp.local` only hosts below it.
fn is_host(host: &str, base: &str) -> bool {
    let (host, base) = (host.to_ascii_lowercase(), base.to_ascii_lowercase());
    base.is_empty() || if base.starts_with('.') { host.ends_with(&base) } else { host == base }
}

/// A directory name covers the names that begin with all its parts.
fn is_within(name: &X509Name<'_>, base: &X509Name<'_>) -> bool {
    let parts = |name: &X509Name<'_>| {
        name.iter_rdn()
            .map(|rdn| rdn.iter().map(|part| (part.attr_type().to_id_string(), part.as_slice().to_vec())).collect::<Vec<_>>())
            .collect::<Vec<_>>()
    };
    parts(name).starts_with(&parts(base))
}
