//! Names, hosts, addresses and ports as users write them, one type each: a value of such a type is valid.

mod host;
mod identifiers;
mod locality;
pub mod port;
mod vip;

pub use crate::istio::well_known::{NETWORK_LABEL, REVISION_LABEL, TAG_LABEL, TLS_MODE_LABEL};
pub use host::Host;
pub(super) use host::{fnv1a, hashed};
pub use identifiers::{
    ClusterKey, LabelValue, MeshId, Namespace, NetworkName, ObjectName, ReleaseName, Revision, ServiceAccountName, TrustDomain, check_key,
    check_label_value,
};
pub use locality::Locality;
pub use port::{Protocol, ServicePort};
pub use vip::Vip;
