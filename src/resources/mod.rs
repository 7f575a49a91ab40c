//! One file a resource.
