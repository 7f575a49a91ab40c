//! Tokens of service accounts.

use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;

use framework::Deadline;

use super::Failure;
use crate::data::Secret;

/// A request for a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequest {
    /// The service account's namespace.
    pub namespace: String,
    /// The service account whose identity it has.
    pub service_account: String,
    /// Who may accept it; the API server itself if empty.
    pub audiences: Vec<String>,
    /// How long it is valid; the API server may decide otherwise.
    pub lifetime: Duration,
}

/// A token as it was issued.
#[derive(Clone)]
pub struct Token {
    /// The token itself.
    pub token: Secret,
    /// Until when it is valid.
    pub expires_at: OffsetDateTime,
}

/// Issues tokens. `cluster` is a key of the provider's `clusters`.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// Issues a token. It is kept nowhere, and can't be revoked: it ends with its time, or with the service account.
    async fn issue(&self, cluster: &str, request: &TokenRequest, deadline: &Deadline) -> Result<Token, Failure>;
}
