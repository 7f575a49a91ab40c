//! What mesh_root_ca, mesh_cluster_ca_request and mesh_cluster_ca share: validity, subject, warnings of expiry, and reading the root's Secret.

use std::time::Duration;

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    data::{Certificate, CertificateFacts, ObjectRef, SigningRequest},
    mesh::{ClusterKey, trust},
    world::LiveCluster,
};
use framework::{AttributePath, Error};

/// The organization in the subject of a CA if the configuration sets none.
pub(super) const DEFAULT_ORGANIZATION: &str = "Istio mesh";

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The most days that can be asked for: 100 years.
pub(super) const LONGEST_DAYS: i64 = 36500;

/// What the validity of a CA reads as that was found with a longer one than can be asked for.
pub(super) const LONGEST_VALIDITY: Duration = Duration::from_secs(36500 * 24 * 60 * 60);

/// Returns the common name of a cluster's CA whose `common_name` isn't set.
pub(super) fn default_common_name(cluster: &ClusterKey) -> String {
    format!("Istio CA of {cluster}")
}

/// Reads a number of days from 1 to 100 years.
pub(super) fn parse_days(days: i64) -> Result<Duration, String> {
    match u32::try_from(days) {
        Ok(count @ 1..=36500) => Ok(DAY * count),
        _ => Err(format!("Must be between 1 and 36500 days, got {days}.")),
    }
}

/// Reads a part of a certificate's subject.
pub(super) fn parse_subject(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 64 || text.chars().any(char::is_control) {
        return Err("Must have 1 to 64 characters, and no control characters.".to_owned());
    }
    Ok(text.to_owned())
}

/// Warns of certificates that expire within some time or have expired, each at its attribute.
pub(super) fn expiry_warnings(certificates: &[(&'static str, CertificateFacts)], before: Duration, now: OffsetDateTime) -> Vec<Error> {
    let ending = certificates.iter().filter(|(_, facts)| facts.not_after - before <= now);
    ending
        .map(|(attribute, facts)| {
            let end = facts.not_after.format(&Rfc3339).unwrap_or_else(|_| facts.not_after.to_string());
            let when = match (facts.not_after - now).whole_days() {
                days if facts.not_after > now => format!("expires at {end}, in {days} days"),
                _ => format!("expired at {end}"),
            };
            Error::new(
                "Certificate expires soon",
                format!(
                    "The certificate of \"{}\" {when}, and no apply renews it. When it has expired, every call between workloads fails. Replace it \
                     before.",
                    facts.subject.text
                ),
            )
            .at(AttributePath::new(*attribute))
        })
        .collect()
}

/// Reads a root CA's Secret.
pub(super) async fn read_root(cluster: LiveCluster<'_>, secret: &ObjectRef) -> Result<Option<Certificate>, Error> {
    let Some(live) = cluster.get(secret).await? else { return Ok(None) };
    trust::read_root_secret(&live).map(Some).map_err(|problem| {
        Error::new(
            "Damaged root CA",
            format!(
                "{secret} of cluster \"{}\" doesn't hold a root CA: {problem} Restore it from a backup, or replace the mesh_root_ca.",
                cluster.key
            ),
        )
    })
}

/// Reads the Secret of a signing request.
pub(super) async fn read_request(cluster: LiveCluster<'_>, secret: &ObjectRef) -> Result<Option<SigningRequest>, Error> {
    let Some(live) = cluster.get(secret).await? else { return Ok(None) };
    trust::read_request_secret(&live).map(Some).map_err(|problem| {
        Error::new(
            "Damaged signing request",
            format!(
                "{secret} of cluster \"{}\" doesn't hold a signing request: {problem} Apply the mesh_cluster_ca_request again.",
                cluster.key
            ),
        )
    })
}
