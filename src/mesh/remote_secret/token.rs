//! The token in a remote secret: for how long it is asked for, what was granted, and when it is renewed.

use std::time::Duration;

use serde_json::{Value as Json, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::Account;
use crate::{
    data::Secret,
    mesh::names::{Namespace, ServiceAccountName},
};

/// A token, and for when it is valid.
#[derive(Clone, Debug)]
pub struct Token {
    /// The token itself.
    pub token: Secret,
    /// When it was issued.
    pub issued_at: OffsetDateTime,
    /// Until when the API server accepts it; `None` if always.
    pub expires_at: Option<OffsetDateTime>,
}

/// The gateway through which the remote pods are called. It is recorded only for an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteGateway {
    /// Key of its cluster.
    pub cluster: String,
    /// Its addresses.
    pub addresses: Vec<String>,
}

/// What is recorded of a token, beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRecord {
    /// Whose token it is.
    pub account: Account,
    /// For how long it was asked for.
    pub lifetime_hours: u32,
    /// The number that a user raises for a new one.
    pub rotation: Option<i64>,
    /// When it was issued.
    pub issued_at: OffsetDateTime,
    /// Until when it is valid; `None` if always.
    pub expires_at: Option<OffsetDateTime>,
    /// By which it is recognized; see [`check`](super::check).
    pub check: String,
    /// The gateway, if one is configured.
    pub gateway: Option<RemoteGateway>,
}

impl TokenRecord {
    /// Renders it for an annotation.
    pub fn render(&self) -> String {
        let time = |at: OffsetDateTime| at.format(&Rfc3339).unwrap_or_default();
        let gateway = self.gateway.as_ref().map(|gateway| json!({"cluster": gateway.cluster, "addresses": gateway.addresses}));
        json!({
            "namespace": self.account.namespace.as_str(), "service_account": self.account.name.as_str(),
            "lifetime_hours": self.lifetime_hours, "rotation": self.rotation,
            "issued_at": time(self.issued_at), "expires_at": self.expires_at.map(time), "check": self.check,
            "gateway": gateway,
        })
        .to_string()
    }

    /// Reads an annotation; `None` if it isn't one of these.
    pub fn read(text: &str) -> Option<Self> {
        let record: Json = serde_json::from_str(text).ok()?;
        let time = |name: &str| OffsetDateTime::parse(record[name].as_str()?, &Rfc3339).ok();
        Some(Self {
            account: Account {
                namespace: Namespace::parse(record["namespace"].as_str()?).ok()?,
                name: ServiceAccountName::parse(record["service_account"].as_str()?).ok()?,
            },
            lifetime_hours: record["lifetime_hours"].as_u64()?.try_into().ok()?,
            rotation: record["rotation"].as_i64(),
            issued_at: time("issued_at")?,
            expires_at: if record["expires_at"].is_null() { None } else { Some(time("expires_at")?) },
            check: record["check"].as_str()?.to_owned(),
            gateway: record["gateway"]["cluster"]
                .as_str()
                .map(|cluster| RemoteGateway { cluster: cluster.to_owned(), addresses: texts(&record["gateway"]["addresses"]) }),
        })
    }
}

fn texts(list: &Json) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

/// When a token is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenPolicy {
    /// For how long tokens are asked for.
    pub lifetime: Duration,
    /// How long before its end a token is renewed.
    pub renew_before: Duration,
}

impl TokenPolicy {
    /// Returns from when on a token is renewed. One that is valid for less long than `renew_before`, as the API server wouldn't grant more, is renewed
    /// in the last third of its time: else it would be renewed by each apply.
    pub fn due_at(&self, issued_at: OffsetDateTime, expires_at: OffsetDateTime) -> OffsetDateTime {
        let third: time::Duration = (expires_at - issued_at).max(time::Duration::ZERO) / 3;
        expires_at - third.min(time::Duration::try_from(self.renew_before).unwrap_or(time::Duration::MAX))
    }

    /// Whether an API server grants clearly less than it is asked for.
    pub fn is_cut_short(&self, issued_at: OffsetDateTime, expires_at: OffsetDateTime) -> bool {
        (expires_at - issued_at).as_seconds_f64() < self.lifetime.as_secs_f64() * 0.9
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_token_is_renewed_before_its_end_but_never_at_once() {
        let policy = TokenPolicy { lifetime: 2160 * HOUR, renew_before: 720 * HOUR };
        let issued = datetime!(2030-01-01 00:00 UTC);
        let due_after = |granted: Duration| policy.due_at(issued, issued + granted) - issued;
        assert_eq!(due_after(2160 * HOUR), 1440 * HOUR);
        // EKS grants a day at most.
        assert_eq!(due_after(24 * HOUR), 16 * HOUR);
        assert_eq!(due_after(Duration::ZERO), Duration::ZERO);
        assert!(policy.is_cut_short(issued, issued + 24 * HOUR) && !policy.is_cut_short(issued, issued + 2160 * HOUR));
    }
}
