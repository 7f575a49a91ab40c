//! Plain data that the domain and the ports share: objects, releases, permissions, certificates, secrets.

mod certificate;
mod command;
mod mark;
mod object;
mod permission;
mod release;
mod role;
mod secret;

pub use certificate::{
    CaBundle, CaPart, CaPath, CaSubject, CaUse, Certificate, CertificateFacts, Flaw, KeyAlgorithm, Name, NewIntermediate, SigningRequest,
};
pub use command::{Command, CommandEnd, Printed};
pub use mark::Mark;
pub use object::{Kind, MANAGER, ObjectRef, selects, selects_labels};
pub use permission::{Permission, Rule, Rules};
pub use release::{Deployed, INSTALLED_BY, RELEASE_NAME, RELEASE_NAMESPACE, Release, ReleaseStatus, release_of};
pub use role::Role;
pub use secret::Secret;
