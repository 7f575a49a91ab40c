//! The import of a remote secret, one that `istioctl create-remote-secret` has made included.

use super::{
    RemoteSecretModel,
    model::{RemoteGatewayRef, RemoteRef},
    spec::unless,
};
use crate::{
    data::Kind,
    mesh::{
        ClusterKey, Namespace,
        labels::remote_of,
        remote_secret::{Account, Live, Place, REMOTE_SECRETS},
    },
    ports::ApiServer,
    world::{ClusterAccess, World, import},
};
use framework::{Cx, Error, Value};

/// What an import ID looks like.
const FORM: &str =
    "CLUSTER/NAMESPACE/REMOTE, for example us/istio-system/eu: REMOTE is the key of the cluster that is read in the provider's `clusters`";

pub(super) async fn import(id: &str, cx: &Cx<'_, World>) -> Result<RemoteSecretModel, Error> {
    let (cluster, [namespace, remote]) = import::parts(id, FORM, cx)?;
    let wrong = |problem: String| Error::new("Invalid import ID", problem);
    let namespace = Namespace::parse(&namespace).map_err(wrong)?;
    let remote = ClusterKey::parse(&remote).map_err(wrong)?;
    let configured = cx.world.api_servers.api_server(remote.as_str())?;
    let secrets = cx.cluster(&cluster).list(Kind::SECRET, Some(namespace.as_str()), &format!("{REMOTE_SECRETS}=true")).await?;
    // Ours says which cluster it is. Of others it is told by Istio's name, or by the API server.
    let usual = Place { namespace: namespace.clone(), remote: remote.clone(), name: remote.clone() }.object();
    let leads_there = |live: &Live| live.only().is_some_and(|(_, kubeconfig)| kubeconfig.server == configured.url);
    let found = secrets
        .iter()
        .find(|secret| remote_of(secret).as_ref() == Some(&remote))
        .or_else(|| secrets.iter().find(|secret| secret["metadata"]["name"] == usual.name.as_str()))
        .or_else(|| secrets.iter().find(|secret| leads_there(&Live::read(secret))));
    let found = found
        .ok_or_else(|| import::nothing(&cluster, &format!("remote secret in namespace {namespace} that leads to cluster \"{remote}\"")))?;
    let name = found["metadata"]["name"].as_str().unwrap_or_default();
    let unusable = |why: &str| {
        Error::new("Not a remote secret", format!("Secret {namespace}/{name} of cluster \"{cluster}\" can't be imported: {why}"))
    };
    let live = Live::read(found);
    let (cluster_name, kubeconfig) = live
        .only()
        .ok_or_else(|| unusable("it leads to several clusters, or its kubeconfig has no token. Make a Secret for each cluster."))?;
    let place = Place {
        namespace: namespace.clone(),
        remote: remote.clone(),
        name: ClusterKey::parse(cluster_name).map_err(|why| unusable(&why))?,
    };
    if place.object().name != name {
        let why = format!("its name is not {}. Delete it after a create has made that one.", place.object().name);
        return Err(unusable(&why));
    }
    let record = live.record.as_ref();
    let account = record.map(|record| &record.account);
    let ApiServer { url, ca_certificate, tls_server_name, .. } = configured;
    let server = unless(kubeconfig.server.clone(), &url);
    let usual_name = if server.is_null() { tls_server_name } else { None };
    let pem = |pem: &Option<String>| pem.as_ref().map(|pem| pem.split_whitespace().collect::<String>());
    let is_usual_ca = pem(&kubeconfig.ca_certificate) == pem(&ca_certificate);
    Ok(RemoteSecretModel {
        cluster: Value::Value(cluster.to_string()),
        namespace: Value::Value(namespace.to_string()),
        remote: Value::Value(RemoteRef {
            cluster_name: unless(cluster_name.to_owned(), &remote.to_string()),
            namespace: Value::Value(account.map_or_else(|| Namespace::ISTIO_SYSTEM.to_owned(), |account| account.namespace.to_string())),
            cluster: Value::Value(remote.to_string()),
        }),
        remote_gateway: record
            .and_then(|record| record.gateway.as_ref())
            .map(|gateway| RemoteGatewayRef {
                cluster: Value::Value(gateway.cluster.clone()),
                addresses: crate::world::strings(&gateway.addresses),
            })
            .into(),
        server,
        ca_certificate: if is_usual_ca { Value::Null } else { kubeconfig.ca_certificate.clone().into() },
        tls_server_name: if kubeconfig.tls_server_name == usual_name { Value::Null } else { kubeconfig.tls_server_name.clone().into() },
        service_account: account
            .map_or_else(|| Value::Value(Account::DEFAULT.to_owned()), |account| Value::Value(account.name.to_string())),
        token_lifetime_hours: record.map_or(Value::Null, |record| Value::Value(record.lifetime_hours.into())),
        renew_before_hours: Value::Null,
        rotation: record.and_then(|record| record.rotation).into(),
        legacy_token: record.and_then(|record| record.expires_at.is_none().then_some(true)).into(),
        issued_at: Value::Null,
        expires_at: Value::Null,
        istiod_version: Value::Null,
        drift: Value::Null,
        timeouts: Value::Null,
    })
}
