//! `mesh_cluster_token`: a short-lived token for a cluster's API server, stored in no state and no plan.

use std::time::Duration;

use async_trait::async_trait;
use time::format_description::well_known::Rfc3339;

use crate::{
    data::{Kind, ObjectRef},
    mesh::{ClusterKey, Namespace, ServiceAccountName},
    ports::{FailureKind, Token, TokenRequest},
    world::{ClusterAccess, World, reachable},
};
use framework::{AttributePath, Cx, Ephemeral, Error, Lease, Parse, Set, Value, computed, model, optional, required};

model! {
    /// A short-lived token of a service account, for another provider's configuration or a write-only attribute. It is issued anew in
    /// every run that needs it, and is stored in neither state nor plan.
    ///
    /// The provider's own credentials must be allowed to `create` the service account's `token`.
    pub struct ClusterTokenModel {
        /// Key of the cluster in the provider's `clusters`.
        cluster: String => required(),
        /// Name of the service account.
        service_account: String => required(),
        /// Namespace of the service account. Defaults to `default`.
        namespace: String => optional(),
        /// Audiences of the token. Defaults to the cluster's API server.
        audiences: Set<String> => optional(),
        /// Requested validity in seconds: 600 to 86400. Defaults to 3600. The run must end within that time, because a token in use can't be
        /// renewed.
        lifetime_seconds: i64 => optional(),
        /// The token.
        token: String => computed().sensitive(),
        /// When the token expires, in RFC 3339 and UTC. The API server may issue a shorter or longer validity than requested.
        expires_at: String => computed(),
    }
}

/// The token to be.
pub struct ClusterToken {
    cluster: ClusterKey,
    request: TokenRequest,
}

/// Parses a lifetime; the API server issues no token of less than ten minutes.
fn lifetime(seconds: i64) -> Result<Duration, String> {
    match u64::try_from(seconds) {
        Ok(seconds @ 600..=86_400) => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("Must be between 600 (ten minutes) and 86400 (a day), got {seconds}.")),
    }
}

impl ClusterToken {
    /// Lists the existing service accounts, for the error of one that doesn't exist.
    async fn others(&self, cx: &Cx<'_, World>) -> String {
        let namespace = self.request.namespace.as_str();
        let accounts = match cx.cluster(&self.cluster).list(Kind::SERVICE_ACCOUNT, Some(namespace), "").await {
            Ok(accounts) => accounts,
            Err(failure) => return format!("Listing the existing ones failed: {}: {}", failure.summary, failure.detail()),
        };
        let names: Vec<_> = accounts.iter().filter_map(|account| account["metadata"]["name"].as_str()).collect();
        if names.is_empty() {
            format!("Namespace `{namespace}` has no service account, or doesn't exist.")
        } else {
            format!("Namespace `{namespace}` has `{}`.", names.join("`, `"))
        }
    }
}

#[async_trait]
impl Ephemeral for ClusterToken {
    type World = World;
    type Model = ClusterTokenModel;
    type Spec = Self;
    type Status = Token;
    type Handle = ();

    const NAME: &'static str = "mesh_cluster_token";
    const TIMEOUT: Duration = Duration::from_secs(60);

    fn parse(model: &ClusterTokenModel, parse: &mut Parse<'_>) -> Option<Self> {
        let cluster = parse.required("cluster", &model.cluster, |key| ClusterKey::parse(key));
        let service_account = parse.required("service_account", &model.service_account, |name| ServiceAccountName::parse(name));
        let namespace = parse.optional("namespace", &model.namespace, |name| Namespace::parse(name));
        let audiences = parse.each("audiences", &model.audiences, |text| Ok::<_, String>(text.clone()));
        let lifetime = parse.optional("lifetime_seconds", &model.lifetime_seconds, |seconds| lifetime(*seconds));
        Some(Self {
            cluster: cluster?,
            request: TokenRequest {
                service_account: service_account?.to_string(),
                namespace: namespace?.map_or_else(|| "default".to_owned(), |namespace| namespace.to_string()),
                audiences: audiences?,
                lifetime: lifetime?.unwrap_or(Duration::from_secs(3600)),
            },
        })
    }

    async fn open(spec: &Self, cx: &Cx<'_, World>) -> Result<(Token, Lease<()>), Error> {
        let cluster = &spec.cluster;
        reachable(cluster, cx).map_err(|error| error.at(AttributePath::new("cluster")))?;
        match cx.cluster(cluster).issue_token(&spec.request).await {
            // A token in use can't be exchanged, so there is nothing to renew.
            Ok(token) => Ok((token, Lease { handle: (), renew_at: None })),
            Err(failure) if failure.kind == FailureKind::NotFound => {
                let account = ObjectRef::namespaced(Kind::SERVICE_ACCOUNT, &spec.request.namespace, &spec.request.service_account);
                let problem = format!("Cluster \"{cluster}\" has no {account}. {}", spec.others(cx).await);
                Err(Error::new("No such service account", problem).at(AttributePath::new("service_account")))
            }
            Err(failure) => Err(Error::from(failure)),
        }
    }

    fn record(token: &Token, model: &mut ClusterTokenModel) {
        model.token = Value::Value(token.token.reveal().to_owned());
        model.expires_at = token.expires_at.format(&Rfc3339).map_or(Value::Null, Value::Value);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::ports::{
        Failure,
        fakes::{FakeClock, FakeObjects, FakeReleases},
    };
    use framework::{Diagnostics, Dynamic, attribute, encode, erase_ephemeral};

    fn text(text: &str) -> Value<String> {
        Value::Value(text.to_owned())
    }

    async fn open(objects: &Arc<FakeObjects>, model: ClusterTokenModel) -> (Option<Dynamic>, Diagnostics) {
        let world = World::fake(objects, &Arc::new(FakeReleases::default()), &FakeClock::default());
        let opened = erase_ephemeral::<ClusterToken>().open(&encode(&Value::Value(model)), &world, CancellationToken::new()).await;
        (opened.found.map(|opened| opened.result), opened.diagnostics)
    }

    fn reader() -> ClusterTokenModel {
        ClusterTokenModel { cluster: text("eu"), service_account: text("reader"), ..ClusterTokenModel::default() }
    }

    #[tokio::test]
    async fn a_token_has_its_expiry() {
        let (opened, diagnostics) = open(&Arc::default(), ClusterTokenModel { lifetime_seconds: Value::Value(600), ..reader() }).await;
        let opened = opened.unwrap_or_else(|| panic!("{diagnostics:?}"));
        assert_eq!(attribute(&opened, "token"), &Value::Value("token of default/reader".into()));
        assert_eq!(attribute(&opened, "expires_at"), &Value::Value("2030-01-01T00:10:00Z".into()));
        assert_eq!(attribute(&opened, "namespace"), &Value::Null, "what the configuration leaves out stays out");
    }

    #[tokio::test]
    async fn a_missing_service_account_is_reported_with_the_existing_ones() {
        let objects = Arc::new(FakeObjects::default());
        let account = ObjectRef::namespaced(Kind::SERVICE_ACCOUNT, "default", "reader");
        objects.fail("eu", &account, Failure::new(FailureKind::NotFound, "Can't issue", "There is no such object."));
        objects.put(
            "eu",
            serde_json::json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "default"}}),
        );
        let (opened, diagnostics) = open(&objects, reader()).await;
        assert!(opened.is_none() && diagnostics.errors[0].detail.ends_with("Namespace `default` has `default`."), "{diagnostics:?}");
        let (_, diagnostics) = open(&objects, ClusterTokenModel { cluster: text("asia"), ..reader() }).await;
        assert!(diagnostics.errors[0].detail.contains("it has `eu`, `us`"), "{diagnostics:?}");
        let (_, diagnostics) = open(&objects, ClusterTokenModel { lifetime_seconds: Value::Value(60), ..reader() }).await;
        assert!(diagnostics.errors[0].detail.contains("got 60"), "{diagnostics:?}");
    }
}
