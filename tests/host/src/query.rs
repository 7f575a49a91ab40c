//! Queries of `list` blocks, with the rules of Terraform's `ListResource`.

use framework::protocol::wire::{Diagnostic, ResourceIdentityData, list_resource, provider_client::ProviderClient};
use rmpv::Value;
use tonic::transport::Channel;

use crate::{
    diagnostics::{errors, warnings},
    values::{decode, encode},
};

/// How many results Terraform wants if the configuration has no `limit`.
pub const DEFAULT_LIMIT: usize = 100;

/// What a query shows.
#[derive(Debug, Default)]
pub struct Listed {
    /// The results; none after an error, which drops all.
    pub results: Vec<Found>,
    /// What is wrong, in the order of the stream.
    pub diagnostics: Vec<Diagnostic>,
}

/// A result of a query.
#[derive(Debug)]
pub struct Found {
    /// The name that the CLI shows.
    pub name: String,
    /// The identity.
    pub identity: Value,
    /// The state, where the query asks for it.
    pub state: Option<Value>,
}

impl Listed {
    /// Returns the names of the results.
    pub fn names(&self) -> Vec<&str> {
        self.results.iter().map(|found| found.name.as_str()).collect()
    }

    /// Returns the titles of the errors.
    pub fn errors(&self) -> Vec<&str> {
        errors(&self.diagnostics)
    }

    /// Returns the titles of the warnings.
    pub fn warnings(&self) -> Vec<&str> {
        warnings(&self.diagnostics)
    }
}

/// Runs a query: reads until the stream ends, the limit is reached, or something is an error, which drops all results.
pub async fn query(provider: &mut ProviderClient<Channel>, type_name: &str, config: &Value, limit: usize, whole: bool) -> Listed {
    let request = list_resource::Request {
        type_name: type_name.to_owned(),
        config: Some(encode(config)),
        include_resource_object: whole,
        limit: i64::try_from(limit).expect("a limit"),
    };
    let mut stream = provider.list_resource(request).await.expect("a stream").into_inner();
    let mut listed = Listed::default();
    while listed.results.len() < limit
        && let Some(event) = stream.message().await.expect("an event")
    {
        listed.diagnostics.extend(event.diagnostic);
        let Some(ResourceIdentityData { identity_data: Some(identity) }) = event.identity else {
            assert!(!listed.diagnostics.is_empty(), "missing identity data: {}", event.display_name);
            if listed.errors().is_empty() {
                continue;
            }
            break;
        };
        if !listed.errors().is_empty() {
            break;
        }
        let state = event.resource_object.filter(|_| whole).map(|state| decode(Some(&state)));
        listed.results.push(Found { name: event.display_name, identity: decode(Some(&identity)), state });
    }
    if !listed.errors().is_empty() {
        listed.results.clear();
    }
    listed
}
