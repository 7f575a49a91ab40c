//! Labels, names and ports that Istio fixes.

/// Label of a namespace, Service or pod: the network it is on.
pub const NETWORK_LABEL: &str = "topology.istio.io/network";

/// Label of an endpoint: `istio` if it has a sidecar. Without it a client sends plain text.
pub const TLS_MODE_LABEL: &str = "security.istio.io/tlsMode";

/// Value of [`TLS_MODE_LABEL`].
pub const TLS_MODE_ISTIO: &str = "istio";

/// Label of a gateway's pods, by which `Gateway` resources choose them.
pub const GATEWAY_LABEL: &str = "istio";

/// The variable by which a gateway knows its network.
pub const NETWORK_VIEW: &str = "ISTIO_META_REQUESTED_NETWORK_VIEW";

/// Port of a gateway for mutual TLS from other networks.
pub const PASSTHROUGH_PORT: u16 = 15443;

/// The protocol of ALPN that sidecars speak with one another. Gateways pass on nothing else to other networks' hosts.
pub const MESH_PROTOCOL: &str = "istio";

/// The Gateway API's class of gateways that run elsewhere. istiod itself makes the GatewayClass.
pub const REMOTE_GATEWAY_CLASS: &str = "istio-remote";

/// Option of a listener of such a gateway, by which istiod takes its port for the one for mutual TLS from other networks.
pub const LISTENER_PROTOCOL_OPTION: &str = "gateway.istio.io/listener-protocol";

/// Value of [`LISTENER_PROTOCOL_OPTION`].
pub const AUTO_PASSTHROUGH: &str = "auto-passthrough";

/// The namespace of a control plane unless another is chosen.
pub const SYSTEM_NAMESPACE: &str = "istio-system";

/// The name of a cluster for which `global.multiCluster.clusterName` is not set.
pub const DEFAULT_CLUSTER_NAME: &str = "Kubernetes";

/// Label of a namespace or pod: the revision of istiod, or a tag of it, that is to inject its proxies. Annotation of a pod: the revision that has.
pub const REVISION_LABEL: &str = "istio.io/rev";

/// Label that istiod gives each pod into which it injects a sidecar or a gateway's proxy.
pub const INJECTED_LABEL: &str = "service.istio.io/canonical-name";

/// Label of an injection webhook: a further name of its revision.
pub const TAG_LABEL: &str = "istio.io/tag";

/// The container of a pod's proxy.
pub const PROXY_CONTAINER: &str = "istio-proxy";

/// The ConfigMap that istiod writes to each namespace, with the roots that workloads trust.
pub const ROOT_CONFIG_MAP: &str = "istio-ca-root-cert";

/// The Secret out of which istiod takes its certificate authority.
pub const CACERTS: &str = "cacerts";

/// Name of a policy that holds for a whole namespace; in the root namespace, for the whole mesh.
pub const DEFAULT_POLICY: &str = "default";

/// Label of a Secret by which istiod reads the Services of other clusters.
pub const REMOTE_SECRETS: &str = "istio/multiCluster";

/// Annotation of such a Secret: the name of the cluster that it leads to.
pub const REMOTE_CLUSTER: &str = "networking.istio.io/cluster";

/// What the name of such a Secret begins with, where `istioctl` has made it.
pub const REMOTE_SECRET_PREFIX: &str = "istio-remote-secret-";

/// The service account of another cluster as which istiod reads there.
pub const READER_ACCOUNT: &str = "istio-reader-service-account";

/// The container of istiod.
pub const ISTIOD_CONTAINER: &str = "discovery";

/// The label of istiod's pods, as a selector.
pub const ISTIOD_PODS: &str = "app=istiod";

/// The port on which istiod answers questions about itself.
pub const ISTIOD_DEBUG_PORT: u16 = 15014;

/// The page of that port with the clusters whose Services istiod reads.
pub const CLUSTERS_PAGE: &str = "/debug/clusterz";

/// The page of that port with the gateways to other networks that istiod knows.
pub const NETWORKS_PAGE: &str = "/debug/networkz";
