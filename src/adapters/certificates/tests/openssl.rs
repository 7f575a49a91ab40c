//! A folder in which `openssl` makes and judges certificates.

use std::{path::Path, process::Command};

use time::OffsetDateTime;

/// Shell functions: `root NAME SUBJECT [EXTENSIONS] [OPTIONS]` and `ca NAME SUBJECT SIGNER [EXTENSIONS] [OPTIONS]` make `NAME.key`, unless it is
/// there, and `NAME.pem`.
const PRELUDE: &str = r#"
string_mask=utf8only
CA_EXTENSIONS='basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign,cRLSign
subjectKeyIdentifier=hash'
key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out $1.key; }
conf() { printf '[req]\ndistinguished_name=dn\nstring_mask=%s\n[dn]\n[ext]\n%s\n' "$string_mask" "$2" > $1.cnf; }
root() {
  n=$1; s=$2; e=${3:-$CA_EXTENSIONS}; shift; shift; [ $# -eq 0 ] || shift
  [ -f $n.key ] || key $n; conf $n "$e"
  openssl req -x509 -new -utf8 -key $n.key -subj "$s" -days 30 -config $n.cnf -extensions ext -out $n.pem "$@"
}
request() { [ -f $1.key ] || key $1; conf $1 ''; openssl req -new -utf8 -key $1.key -subj "$2" -config $1.cnf -out $1.csr; }
sign() {
  n=$1; r=$2; shift; shift
  case "$*" in *set_serial*) ;; *) set -- -set_serial 0x$(openssl rand -hex 8 | sed 's/^./4/') "$@";; esac
  openssl x509 -req -in $n.csr -CA $r.pem -CAkey $r.key -days 30 -extfile $n.cnf -extensions ext -out $n.pem "$@"
}
ca() {
  n=$1; s=$2; r=$3; e=${4:-$CA_EXTENSIONS
authorityKeyIdentifier=keyid}; shift; shift; shift; [ $# -eq 0 ] || shift
  request $n "$s"; conf $n "$e"; sign $n $r "$@"
}
"#;

pub(super) struct Folder(tempfile::TempDir);

impl Folder {
    pub(super) fn new(script: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.run(script);
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn run(&self, script: &str) {
        let output = Command::new("sh").args(["-ec", &format!("{PRELUDE}\n{script}")]).current_dir(self.path()).output().unwrap();
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    }

    pub(super) fn read(&self, file: &str) -> String {
        if file.is_empty() { String::new() } else { std::fs::read_to_string(self.path().join(file)).unwrap() }
    }

    pub(super) fn write(&self, file: &str, text: &str) {
        std::fs::write(self.path().join(file), text).unwrap();
    }

    /// Lets openssl verify a workload's certificate that `NAME.key` signs, with the certificates that the workload would present and the
    /// roots that its peer trusts.
    pub(super) fn judge(&self, name: &str, chain: &str, roots: &str, at: OffsetDateTime) -> Result<(), String> {
        self.run(&format!(
            "ca workload '/' {name} 'basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth,clientAuth
subjectAltName=critical,URI:spiffe://corp.local/ns/echo/sa/echo'"
        ));
        let at = at.unix_timestamp().to_string();
        let untrusted = if chain.is_empty() { roots } else { chain };
        let output = Command::new("openssl")
            .args(["verify", "-attime", &at, "-purpose", "sslserver", "-CAfile", roots, "-untrusted", untrusted, "workload.pem"])
            .current_dir(self.path())
            .output()
            .unwrap();
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }
}
