//! The only effects: Helm, the API servers, certificates.
