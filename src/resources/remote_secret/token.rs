//! Tokens of the reader's account: issued for a time, or without an end and kept by a Secret of the cluster that is read.

use framework::{AttributePath, Cx, Error, Prior, Reached};
use serde_json::Value as Json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{RemoteSecret, RemoteSecretStatus};
use crate::{
    data::Mark,
    mesh::remote_secret::{Live, Token, TokenRecord, TokenSecret},
    ports::{FailureKind, TokenRequest},
    world::{ClusterAccess, Creation, LiveCluster, World},
};

impl RemoteSecret {
    fn on_remote<'a>(&'a self, cx: &'a Cx<'_, World>) -> LiveCluster<'a> {
        cx.cluster(&self.place.remote)
    }

    /// The Secret that keeps the token, if it never ends.
    fn token_secret(&self) -> Option<TokenSecret> {
        let secret = || TokenSecret { account: self.account.clone(), reader: self.cluster.clone(), rotation: self.rotation };
        self.is_endless.then(secret)
    }

    /// Returns the token to be in place: the one that is there if it can stay, or a new one.
    pub(super) async fn token(
        &self,
        live: Option<&Json>,
        prior: &Prior<Self>,
        creation: Option<&Creation>,
        reached: &mut Reached<RemoteSecretStatus>,
        cx: &Cx<'_, World>,
    ) -> Result<Token, Error> {
        if let Some(secret) = self.token_secret() {
            return self.kept(&secret, prior, creation, reached, cx).await;
        }
        match self.reusable(live, prior, cx) {
            Some(token) => Ok(token),
            None => self.issue(cx).await,
        }
    }

    /// Returns the token in place if it can stay.
    fn reusable(&self, live: Option<&Json>, prior: &Prior<Self>, cx: &Cx<'_, World>) -> Option<Token> {
        // Of an apply that failed the token may be what was wrong.
        let is_proven = prior.finished().is_some() && prior.in_place().count() == 1;
        let live = Live::read(live.filter(|_| is_proven)?);
        let token = live.token(&self.place)?;
        // The gateway is no part of the token.
        let recorded = live.record.clone().map(|record| TokenRecord { gateway: self.gateway.clone(), ..record });
        let is_as_wanted = recorded == Some(self.record_of(&token));
        let is_due = self.policy.due_at(token.issued_at, token.expires_at?) <= cx.world.clock.now();
        (is_as_wanted && !is_due).then_some(token)
    }

    /// Issues a token of the reader's account.
    async fn issue(&self, cx: &Cx<'_, World>) -> Result<Token, Error> {
        let request = TokenRequest {
            namespace: self.account.namespace.to_string(),
            service_account: self.account.name.to_string(),
            audiences: Vec::new(),
            lifetime: self.policy.lifetime,
        };
        let issued_at = now(cx);
        match self.on_remote(cx).issue_token(&request).await {
            Ok(token) => Ok(Token { token: token.token, issued_at, expires_at: Some(token.expires_at) }),
            Err(failure) if failure.kind == FailureKind::NotFound => Err(self.no_account()),
            Err(failure) => Err(failure.into()),
        }
    }

    /// Returns the token without an end, from a Secret that is made if there is none.
    async fn kept(
        &self,
        secret: &TokenSecret,
        prior: &Prior<Self>,
        creation: Option<&Creation>,
        reached: &mut Reached<RemoteSecretStatus>,
        cx: &Cx<'_, World>,
    ) -> Result<Token, Error> {
        let (cluster, object) = (self.on_remote(cx), secret.object());
        match cluster.get(&object).await? {
            // Also one that an update has made which was killed.
            Some(live) if !prior.is_none() && secret.is(&live) => {}
            Some(live) if secret.is(&live) && cluster.mark_on(&live).is_some() => {
                cluster.left(&object, || self.import_id()).await?;
            }
            Some(_) => return Err(self.not_our_token(secret)),
            None => {
                // The mark of this create, as one in the cluster that is read.
                let manifest = match creation {
                    Some(creation) => Mark { cluster: self.place.remote.to_string(), ..creation.mark().clone() }.on(secret.manifest()),
                    None => secret.manifest(),
                };
                // The answer may be lost, and the Secret there.
                reached.set(RemoteSecretStatus::default());
                if !cluster.create_own(&manifest).await? {
                    forget(prior, reached);
                    return Err(self.not_our_token(secret));
                }
            }
        }
        // Kubernetes deletes a Secret for an account that doesn't exist.
        let is_settled = |live: Option<&Json>| live.is_none_or(|live| TokenSecret::token(live).is_some());
        let Some(live) = cluster.wait(&object, "Kubernetes to add its token", &is_settled).await? else {
            forget(prior, reached);
            return Err(self.no_account());
        };
        let token = TokenSecret::token(&live).ok_or_else(|| self.no_account())?;
        let created = live["metadata"]["creationTimestamp"].as_str().and_then(|at| OffsetDateTime::parse(at, &Rfc3339).ok());
        Ok(Token { token, issued_at: created.unwrap_or_else(|| now(cx)), expires_at: None })
    }

    /// Removes the mark of a create from the Secret that keeps the token.
    pub(super) async fn unmark_token(&self, cx: &Cx<'_, World>) -> Result<(), Error> {
        match self.token_secret() {
            Some(secret) => self.on_remote(cx).unmark(&secret.object()).await.map_err(Error::from),
            None => Ok(()),
        }
    }

    /// Looks at the Secret that keeps the token. `None` if there is to be none, or its cluster can't be looked at.
    async fn look_at_token(&self, cx: &Cx<'_, World>) -> Result<Option<(TokenSecret, Option<Json>)>, Error> {
        let Some(secret) = self.token_secret() else { return Ok(None) };
        let cluster = self.on_remote(cx);
        if !cx.world.clusters.is_known(&self.place.remote) || cluster.is_lost().await {
            return Ok(None);
        }
        let found = cluster.get(&secret.object()).await?;
        Ok(Some((secret, found)))
    }

    /// Describes what is wrong with the Secret that keeps the token.
    pub(super) async fn token_drift(&self, live: &Live, cx: &Cx<'_, World>) -> Result<Option<String>, Error> {
        let Some((secret, found)) = self.look_at_token(cx).await? else { return Ok(None) };
        let problem = match &found {
            None => "it is gone, and its token with it",
            Some(found) if !secret.is(found) => "its labels or its account are not those of this resource",
            Some(found) if TokenSecret::token(found) != live.token(&self.place).map(|token| token.token) => {
                "its token is not the one by which istiod reads"
            }
            Some(_) => return Ok(None),
        };
        Ok(Some(format!("{} of cluster \"{}\": {problem}", secret.object(), self.place.remote)))
    }

    /// Whether a Secret of ours keeps a token.
    pub(super) async fn keeps_token(&self, cx: &Cx<'_, World>) -> Result<bool, Error> {
        let seen = self.look_at_token(cx).await?;
        Ok(seen.is_some_and(|(secret, found)| found.is_some_and(|live| secret.is(&live))))
    }

    /// Returns the earlier inputs whose tokens are in Secrets of their own, which nobody is to read by any more.
    fn former_tokens<'a>(&self, prior: &'a Prior<Self>) -> impl Iterator<Item = &'a Self> {
        let wanted = self.token_secret();
        prior.in_place().filter(move |former| former.is_endless && former.token_secret() != wanted)
    }

    /// Whether a Secret of a former token is left.
    pub(super) fn has_former_tokens(&self, prior: &Prior<Self>) -> bool {
        self.former_tokens(prior).next().is_some()
    }

    /// Deletes the Secrets of former tokens.
    pub(super) async fn remove_former_tokens(&self, prior: &Prior<Self>, cx: &Cx<'_, World>) -> Result<(), Error> {
        for former in self.former_tokens(prior) {
            former.remove_token(cx).await?;
        }
        Ok(())
    }

    /// Deletes the Secret that keeps the token, if it is ours: the token is then revoked.
    pub(super) async fn remove_token(&self, cx: &Cx<'_, World>) -> Result<(), Error> {
        let Some(secret) = self.token_secret() else { return Ok(()) };
        let (cluster, object) = (self.on_remote(cx), secret.object());
        if cluster.leaves_behind(&object.to_string()).await {
            return Ok(());
        }
        let Some(live) = cluster.get(&object).await?.filter(|live| secret.is(live)) else { return Ok(()) };
        cluster.delete_found(&live, |live| secret.is(live)).await.map_err(Error::from)
    }

    pub(super) fn record_of(&self, token: &Token) -> TokenRecord {
        TokenRecord {
            account: self.account.clone(),
            lifetime_hours: self.lifetime_hours,
            rotation: self.rotation,
            issued_at: token.issued_at,
            expires_at: token.expires_at,
            check: crate::mesh::remote_secret::check(&token.token),
            gateway: self.gateway.clone(),
        }
    }

    fn no_account(&self) -> Error {
        Error::new(
            "The reader's account is missing",
            format!(
                "Cluster \"{}\" has no {}, as which istiod of cluster \"{}\" is to read its Services. Istio's chart `base` makes it, so install Istio \
                 there first: `remote = mesh_cluster.<name>` has this apply wait for that. It is left out by the Helm values `global.enableReaderRBAC: \
                 false` and `global.readerServiceAccount`; set `service_account` to the account that is used instead.",
                self.place.remote,
                self.account.object(),
                self.cluster
            ),
        )
        .at(AttributePath::new("service_account"))
    }

    fn not_our_token(&self, secret: &TokenSecret) -> Error {
        Error::new(
            "Already exists",
            format!(
                "Cluster \"{}\" already has {}, which this resource didn't create, so no token was made in it. Delete it if nobody reads by its token, or \
                 set another `rotation`, which is part of the name.",
                self.place.remote,
                secret.object()
            ),
        )
        .at(AttributePath::new("legacy_token"))
    }
}

/// Of a create nothing is left.
fn forget(prior: &Prior<RemoteSecret>, reached: &mut Reached<RemoteSecretStatus>) {
    if prior.is_none() {
        *reached = Reached::nothing();
    }
}

fn now(cx: &Cx<'_, World>) -> OffsetDateTime {
    let now = cx.world.clock.now();
    now.replace_nanosecond(0).unwrap_or(now)
}
