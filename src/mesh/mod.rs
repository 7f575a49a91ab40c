//! The domain: pure, without clock, cluster or environment.
