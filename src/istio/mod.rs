//! The custom resources of Istio, as data.
