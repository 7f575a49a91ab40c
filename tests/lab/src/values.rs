//! The Helm values that Istio needs in the lab, whatever else a test sets.

use anyhow::Result;

use crate::{command::write_file, layout::Layout};

/// For the chart `istiod`.
pub fn lab_values() -> String {
    ISTIOD.to_owned()
}

/// For the chart `gateway`.
pub fn gateway_values() -> String {
    GATEWAY.to_owned()
}

const ISTIOD: &str = "\
global:
  hub: 198.51.100.1:5000/istio
  tag: dev
  proxy:
    resources:
      requests: {cpu: 10m, memory: 32Mi}
# The proxy is upstream's Envoy: it lacks the filters that only Istio's own build has.
telemetry:
  enabled: false
env:
  PILOT_ENABLE_METADATA_EXCHANGE: \"false\"
  PILOT_ENABLE_ALPN_FILTER: \"false\"
resources:
  requests: {cpu: 10m, memory: 64Mi}
autoscaleEnabled: false
";

const GATEWAY: &str = "\
resources:
  requests: {cpu: 10m, memory: 32Mi}
autoscaling:
  enabled: false
";

/// Writes both into the state folder, for people and for examples.
pub(crate) fn write(layout: &Layout) -> Result<()> {
    write_file(&layout.values().join("istiod.yaml"), lab_values())?;
    write_file(&layout.values().join("gateway.yaml"), gateway_values())
}
