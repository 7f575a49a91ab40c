//! An ephemeral resource that counts its renewals.

use std::time::Duration;

use async_trait::async_trait;
use framework::{AttributePath, Cx, Ephemeral, Error, Lease, Parse, computed, model, required};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{Zone, text};

model! {
    /// A token.
    pub struct TokenModel {
        /// For whom.
        user: String => required(),
        /// The token.
        token: String => computed().sensitive(),
    }
}

/// Whom it is for.
pub(crate) struct Token(String);

/// What it takes to go on with a token.
#[derive(Deserialize, Serialize)]
pub(crate) struct Handle {
    user: String,
    renewals: i64,
}

fn lease(handle: Handle) -> Lease<Handle> {
    let renew_at = OffsetDateTime::from_unix_timestamp(1_800_000_000 + handle.renewals).ok();
    Lease { handle, renew_at }
}

#[async_trait]
impl Ephemeral for Token {
    type World = Zone;
    type Model = TokenModel;
    type Spec = Self;
    type Status = String;
    type Handle = Handle;

    const NAME: &'static str = "sample_token";
    const TIMEOUT: Duration = Duration::from_secs(10);

    fn parse(model: &TokenModel, parse: &mut Parse<'_>) -> Option<Self> {
        let user = parse.required("user", &model.user, |user| if user == "root" { Err("Not for root.") } else { Ok(user.clone()) });
        user.map(Self)
    }

    async fn open(Self(user): &Self, cx: &Cx<'_, Zone>) -> Result<(String, Lease<Handle>), Error> {
        let unknown = cx.world.name.is_none().then(|| cx.defer("The zone"));
        if user == "nobody" {
            return Err(Error::new("Unknown user", "There is no nobody.").at(AttributePath::new("user")));
        }
        unknown.map_or(Ok(()), Err)?;
        cx.world.things.lock().expect("things").insert(format!("session of {user}"), 0);
        Ok((format!("token-of-{user}"), lease(Handle { user: user.clone(), renewals: 0 })))
    }

    async fn renew(handle: Handle, _: &Cx<'_, Zone>) -> Result<Lease<Handle>, Error> {
        if handle.user == "once" {
            return Err(Error::new("Not again", "It can't be renewed."));
        }
        Ok(lease(Handle { renewals: handle.renewals + 1, ..handle }))
    }

    async fn close(handle: Handle, cx: &Cx<'_, Zone>) -> Result<(), Error> {
        cx.world.things.lock().expect("things").remove(&format!("session of {}", handle.user));
        Ok(())
    }

    fn record(token: &String, model: &mut TokenModel) {
        model.token = text(token);
    }
}
