//! The attributes of `mesh_remote_secret`.

use crate::{
    mesh::{Namespace, remote_secret::Account},
    resources::service_export::model::is_unset_or_false,
};
use framework::{Datum, Timeouts, Value, computed, model, optional, required};

model! {
    /// The cluster that is read: the attributes of its `mesh_cluster`.
    pub struct RemoteRef {
        /// Key of the cluster in the provider's `clusters`.
        cluster: String => required().replaces(),
        /// Istio's name for the cluster. Defaults to the value of `cluster`.
        cluster_name: String => optional(),
        /// Namespace of Istio there, in which the service account is.
        namespace: String => optional().default(Namespace::ISTIO_SYSTEM),
    }
}

model! {
    /// The gateway through which the remote cluster's pods are called: the attributes of its `mesh_eastwest_gateway`.
    pub struct RemoteGatewayRef {
        /// Key of the gateway's cluster, which must be the remote one.
        cluster: String => required(),
        /// The gateway's addresses.
        addresses: Vec<Value<String>> => required(),
    }
}

model! {
    /// Endpoint discovery in one direction: istiod of `cluster` reads the Services and endpoints of the `remote` cluster, as in Istio's own
    /// multi-primary installation. Services of one name and namespace are then one Service, with the pods of both clusters behind it. Each direction
    /// is a resource of its own. The guide [Discovery](../guides/discovery.md) says when to use it, and when an export.
    ///
    /// The resource writes the Secret `istio-remote-secret-NAME` with a token of the remote cluster's reader account, as
    /// `istioctl create-remote-secret` does, and waits until every replica of istiod has read the remote cluster by it. Unlike that of `istioctl`
    /// the token ends, and the applies renew it in time. It is in neither state nor plan.
    ///
    /// Calls to the other cluster's pods go through its east-west gateway, which has to be open for the Services: `exposed_services` of
    /// `mesh_eastwest_gateway`. Before istiod knows that gateway's address it takes the pods' own addresses for it, so set `remote_gateway`.
    ///
    /// The credentials must be allowed to `create` the service account's `token` in the remote cluster, or Secrets for a `legacy_token`, and in the reading cluster to write Secrets and
    /// to use `pods/portforward` in istiod's namespace. Without the latter, a warning says that nothing could be verified.
    pub struct RemoteSecretModel {
        /// Key, in the provider's `clusters`, of the cluster whose istiod reads: `mesh_cluster.us.cluster`.
        cluster: String => required().replaces(),
        /// Namespace of that istiod: `mesh_cluster.us.namespace`.
        namespace: String => optional().default(Namespace::ISTIO_SYSTEM).replaces(),
        /// The cluster that is read: `remote = mesh_cluster.eu`.
        remote: RemoteRef => required(),
        /// The east-west gateway of the remote cluster: `remote_gateway = mesh_eastwest_gateway.eu`. The Secret is then written only once the gateway has
        /// an address. Nothing else is read of it.
        remote_gateway: RemoteGatewayRef => optional(),
        /// URL of the remote cluster's API server as the pods of `cluster` reach it, for example `https://eu.example.com:6443`. Defaults to the address in
        /// the provider's `clusters`; one that leads to the machine itself, such as `https://127.0.0.1:6443`, is refused. istiod doesn't use the
        /// `proxy_url` of the provider's `clusters`.
        server: String => optional(),
        /// Certificate authority of that server, PEM. Defaults to that of the provider's `clusters`, or else to those in istiod's image.
        ca_certificate: String => optional(),
        /// Name in that server's certificate, if it isn't the host's in `server`. Defaults to that of the provider's `clusters`, unless `server` is set.
        tls_server_name: String => optional(),
        /// The service account of the remote cluster as which istiod reads.
        service_account: String => optional().default(Account::DEFAULT),
        /// For how many hours a token is asked for: 1 to 87600. Some API servers grant less, EKS a day for one: `expires_at` says what was granted, and
        /// a plan warns of it.
        token_lifetime_hours: i64 => optional().default(2160).between(1, 87600),
        /// How many hours before its end the token is renewed, by the first apply after that: 1 to 87600. A token that is granted for less than three times
        /// as long is renewed in the last third of its time.
        renew_before_hours: i64 => optional().default(720).between(1, 87600),
        /// Any number; a change issues a new token. The old one can't be revoked: it ends with its time, or with the service account.
        rotation: i64 => optional(),
        /// Whether the token never ends. A Secret of the remote cluster keeps it then, in the account's namespace, as `istioctl create-remote-secret` has it; deleting
        /// that Secret revokes the token, which a change of `rotation` and a destroy do. `token_lifetime_hours` and `renew_before_hours` mean nothing then. For API
        /// servers that grant tokens too short for the applies to renew: whoever gets hold of such a token may read the cluster until somebody notices.
        legacy_token: bool => optional().equivalent_by(is_unset_or_false),
        /// When the token was issued, in RFC 3339 and UTC.
        issued_at: String => computed(),
        /// When the token expires, in RFC 3339 and UTC; null if never.
        expires_at: String => computed(),
        /// Version of the istiod that reads, the oldest of its replicas; null if the image's tag doesn't tell.
        istiod_version: String => computed(),
        /// Differences between the cluster and the last applied configuration, one string each. The next apply reverts them.
        drift: Vec<Value<String>> => computed().settled(Datum::List(vec![])),
        /// How long each operation may take.
        timeouts: Timeouts => optional(),
    }
}
