//! Tokens of service accounts, issued by the clusters' API servers.

use async_trait::async_trait;
use http::Method;
use serde_json::{Value as Json, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    Kubernetes,
    kubernetes::{Call, path},
    refusal::{Attempt, Verb},
};
use crate::{
    data::{Kind, ObjectRef, Secret},
    ports::{Failure, FailureKind, Token, TokenRequest, Tokens},
};
use framework::Deadline;

#[async_trait]
impl Tokens for Kubernetes {
    async fn issue(&self, cluster: &str, request: &TokenRequest, deadline: &Deadline) -> Result<Token, Failure> {
        let account = ObjectRef::namespaced(Kind::SERVICE_ACCOUNT, &request.namespace, &request.service_account);
        let attempt = Attempt::new(cluster, Verb::Issue, &account);
        let body = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": {"audiences": request.audiences, "expirationSeconds": request.lifetime.as_secs()},
        });
        let call = Call { method: Method::POST, body: body.to_string(), ..Call::get(format!("{}/token", path(&account))) };
        let answer = self.send(&attempt, &call, deadline).await?;
        // The answer holds the token, so no message shows it.
        read(&answer).ok_or_else(|| Failure::new(FailureKind::Other, attempt.title(), "The API server's answer holds no token."))
    }
}

fn read(answer: &Json) -> Option<Token> {
    let status = &answer["status"];
    Some(Token {
        token: Secret::new(status["token"].as_str().filter(|token| !token.is_empty())?),
        expires_at: OffsetDateTime::parse(status["expirationTimestamp"].as_str()?, &Rfc3339).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_with_its_end() {
        let token = read(&json!({"status": {"token": "t0ken", "expirationTimestamp": "2030-01-01T00:00:00Z"}})).expect("a token");
        assert_eq!((token.token.reveal(), token.expires_at.year()), ("t0ken", 2030));
        assert!(read(&json!({"status": {"token": "", "expirationTimestamp": "2030-01-01T00:00:00Z"}})).is_none());
    }
}
