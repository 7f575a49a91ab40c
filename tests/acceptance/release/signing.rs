//! Signatures of a release, as its maker makes them.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use super::dist::run;
use crate::fixture::source;

/// A key that is gone with the test.
pub(super) struct Signer {
    folder: tempfile::TempDir,
    user: &'static str,
}

impl Signer {
    pub(super) fn new(user: &'static str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).expect("private");
        let signer = Self { folder, user };
        run(&mut signer.gpg(&["--passphrase", "", "--quick-generate-key", user, "rsa3072", "sign", "1d"]));
        signer
    }

    /// Lets a step of `make dist` sign with the key.
    pub(super) fn let_sign(&self, step: &mut Command) {
        step.env("GPG_KEY", self.user).env("GNUPGHOME", self.folder.path());
    }

    /// Signs a file, and returns the signature's.
    pub(super) fn sign(&self, file: &Path) -> PathBuf {
        let mut command = Command::new(source("release/sign"));
        self.let_sign(&mut command);
        run(command.arg(file));
        PathBuf::from(format!("{}.sig", file.display()))
    }

    pub(super) fn gpg(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("gpg");
        command.args(["--batch", "--quiet"]).args(arguments).env("GNUPGHOME", self.folder.path());
        command
    }

    pub(super) fn public_key(&self) -> String {
        run(&mut self.gpg(&["--armor", "--export", self.user]))
    }

    pub(super) fn key_id(&self) -> String {
        let shown = run(&mut self.gpg(&["--with-colons", "--list-keys", self.user]));
        shown.lines().find(|line| line.starts_with("pub:")).and_then(|line| line.split(':').nth(4)).expect("a key ID").to_owned()
    }
}
