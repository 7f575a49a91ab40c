//! What the clusters' API servers say of themselves and of the credentials. The reviews are written to no storage.

use async_trait::async_trait;
use http::Method;
use serde_json::{Value as Json, json};

use super::{
    Kubernetes,
    kubernetes::Call,
    refusal::{Attempt, Verb},
};
use crate::{
    data::{Permission, Rule, Rules},
    ports::{Capabilities, Failure, FailureKind},
};
use framework::Deadline;

/// The group of the reviews of permissions.
const AUTHORIZATION: &str = "authorization.k8s.io/v1";

impl Kubernetes {
    /// Has a review made, and returns its status. `what` completes "Can't read".
    async fn review(&self, cluster: &str, what: &str, group: &str, kind: &str, spec: Json, deadline: &Deadline) -> Result<Json, Failure> {
        let body = json!({"apiVersion": group, "kind": kind, "spec": spec});
        let path = format!("/apis/{group}/{}s", kind.to_lowercase());
        let call = Call { method: Method::POST, body: body.to_string(), ..Call::get(path) };
        let mut answer = self.send(&Attempt::new(cluster, Verb::Read, what), &call, deadline).await?;
        Ok(answer["status"].take())
    }
}

#[async_trait]
impl Capabilities for Kubernetes {
    async fn version(&self, cluster: &str, deadline: &Deadline) -> Result<String, Failure> {
        let attempt = Attempt::new(cluster, Verb::Read, "the version");
        let answer = self.send(&attempt, &Call::get("/version".to_owned()), deadline).await?;
        let version = answer["gitVersion"].as_str().map(str::to_owned);
        version.ok_or_else(|| Failure::new(FailureKind::Unreachable, attempt.title(), "The answer is not the one of an API server."))
    }

    async fn user(&self, cluster: &str, deadline: &Deadline) -> Result<Option<String>, Failure> {
        let review = self.review(cluster, "the user", "authentication.k8s.io/v1", "SelfSubjectReview", json!({}), deadline).await;
        match review {
            Ok(status) => Ok(status["userInfo"]["username"].as_str().map(str::to_owned)),
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    async fn rules(&self, cluster: &str, namespace: &str, deadline: &Deadline) -> Result<Rules, Failure> {
        let spec = json!({"namespace": namespace});
        let status = self.review(cluster, "the permissions", AUTHORIZATION, "SelfSubjectRulesReview", spec, deadline).await?;
        let rules = status["resourceRules"].as_array().into_iter().flatten().map(Rule::of).collect();
        Ok(Rules { rules, is_complete: status["incomplete"] != true })
    }

    async fn allows(&self, cluster: &str, permission: &Permission, deadline: &Deadline) -> Result<bool, Failure> {
        let (resource, subresource) = permission.resource.split_once('/').unwrap_or((&permission.resource, ""));
        let spec = json!({"resourceAttributes": {
            "group": permission.group, "resource": resource, "subresource": subresource, "verb": permission.verb,
            "namespace": permission.namespace.as_deref().unwrap_or_default(), "name": permission.name.as_deref().unwrap_or_default(),
        }});
        let status = self.review(cluster, "the permissions", AUTHORIZATION, "SelfSubjectAccessReview", spec, deadline).await?;
        Ok(status["allowed"] == true)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::adapters::kubernetes::{ok, scripted, status};

    fn minutes() -> Deadline {
        Deadline::after(Duration::from_secs(600), CancellationToken::new())
    }

    #[tokio::test(start_paused = true)]
    async fn the_api_server_is_asked_by_reviews() {
        let (clusters, asked) = scripted(|_, line| match line {
            "GET /version" => ok(&json!({"major": "1", "minor": "34+", "gitVersion": "v1.34.4-eks-1"})),
            line if line.ends_with("selfsubjectreviews") => ok(&json!({"status": {"userInfo": {"username": "ann"}}})),
            line if line.ends_with("selfsubjectrulesreviews") => ok(&json!({"status": {
                "resourceRules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}], "nonResourceRules": [], "incomplete": true,
            }})),
            _ => ok(&json!({"status": {"allowed": true}})),
        });
        assert_eq!(clusters.version("eu", &minutes()).await.unwrap(), "v1.34.4-eks-1");
        assert_eq!(clusters.user("eu", &minutes()).await.unwrap().as_deref(), Some("ann"));
        let rules = clusters.rules("eu", "istio-system", &minutes()).await.unwrap();
        assert_eq!((rules.rules.len(), rules.is_complete), (1, false));
        let permission = Permission {
            group: String::new(),
            resource: "pods/log".to_owned(),
            verb: "get".to_owned(),
            namespace: Some("istio-system".to_owned()),
            name: None,
        };
        assert!(clusters.allows("eu", &permission, &minutes()).await.unwrap());
        assert_eq!(
            *asked.lock().unwrap(),
            [
                "GET /version",
                "POST /apis/authentication.k8s.io/v1/selfsubjectreviews",
                "POST /apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
                "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_api_server_without_the_review_of_the_user_names_none() {
        let (clusters, _) = scripted(|_, line| match line {
            "GET /apis" => ok(&json!({"kind": "APIGroupList"})),
            _ => status(404, "NotFound", "the server could not find the requested resource"),
        });
        assert_eq!(clusters.user("eu", &minutes()).await.unwrap(), None);
        let (clusters, _) = scripted(|_, _| status(401, "Unauthorized", "Unauthorized"));
        assert_eq!(clusters.user("eu", &minutes()).await.unwrap_err().kind, FailureKind::Denied);
    }
}
