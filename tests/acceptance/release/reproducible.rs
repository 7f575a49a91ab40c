//! Whoever builds a commit again gets the release's bytes.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use super::{
    dist::{self, PLATFORMS, VERSION, run},
    signing::Signer,
};
use crate::fixture::source;

/// The hash of each file of a release, by its path. The image layout is left out: it has the archives under other names.
fn hashes(release: &Path) -> BTreeMap<String, String> {
    let printed = run(Command::new("find")
        .args([".", "-type", "f", "-not", "-path", "./oci/*", "-not", "-name", "*.sig", "-exec", "sha256sum", "{}", "+"])
        .current_dir(release));
    printed.lines().filter_map(|line| line.split_once("  ")).map(|(hash, path)| (path.to_owned(), hash.to_owned())).collect()
}

fn assert_same(first: &BTreeMap<String, String>, second: &BTreeMap<String, String>) {
    assert!(first.len() > PLATFORMS.len(), "{first:?}");
    assert_eq!(first.keys().collect::<Vec<_>>(), second.keys().collect::<Vec<_>>());
    let differing: Vec<_> = first.iter().filter(|(path, hash)| second.get(*path) != Some(hash)).map(|(path, _)| path).collect();
    assert!(differing.is_empty(), "the bytes differ: {differing:?}");
}

/// Terraform's registry takes RSA keys only, and verifies the signature as gpg does.
#[test]
#[ignore = "needs `make dist-all`; a minute"]
fn the_same_programs_are_packed_to_the_same_bytes_and_signed() {
    let folder = tempfile::tempdir().expect("a folder");
    let release = folder.path().join("release");
    let signer = Signer::new("release@example.com");
    for platform in PLATFORMS {
        let parts = release.join("parts").join(platform);
        fs::create_dir_all(&parts).expect("a folder");
        dist::unpack(platform, &parts);
    }
    // The last step of `make dist`, with what the first have built.
    let mut pack = Command::new(source("release/pack"));
    signer.let_sign(&mut pack);
    run(pack.arg(&release).arg(VERSION).env("TZ", "Asia/Tokyo"));
    assert_same(&hashes(&dist::folder()), &hashes(&release));

    let sums = release.join(format!("terraform-provider-mesh_{VERSION}_SHA256SUMS")).display().to_string();
    let signature = format!("{sums}.sig");
    run(&mut signer.gpg(&["--verify", &signature, &sums]));
    fs::write(&sums, "0000  terraform-provider-mesh.zip\n").expect("written");
    let forged = signer.gpg(&["--verify", &signature, &sums]).output().expect("gpg");
    assert!(!forged.status.success(), "a changed file passes");
}

/// The other folder is a clone, so what isn't committed must not be there. Sources are the same files, found by another path.
#[test]
#[ignore = "needs `make dist-all`, and builds it again; half an hour"]
fn another_folder_and_another_home_of_cargo_give_the_same_bytes() {
    let project = source("");
    let git = |arguments: &[&str]| run(Command::new("git").args(arguments).current_dir(&project));
    assert_eq!(git(&["status", "--porcelain"]), "", "`make dist` must have built what is committed");
    let folder = tempfile::tempdir().expect("a folder");
    let (clone, cargo) = (folder.path().join("elsewhere/mesh"), folder.path().join("cargo"));
    run(Command::new("git").args(["clone", "--quiet", "--shared"]).arg(&project).arg(&clone));
    fs::create_dir_all(clone.join("target")).expect("a folder");
    std::os::unix::fs::symlink(source("target/tools"), clone.join("target/tools")).expect("the tools");
    fs::create_dir(&cargo).expect("a folder");
    let home = std::env::var_os("CARGO_HOME").map_or_else(|| Path::new(env!("HOME")).join(".cargo"), Into::into);
    std::os::unix::fs::symlink(home.join("registry"), cargo.join("registry")).expect("the sources");
    run(Command::new(clone.join("release/dist")).env("CARGO_HOME", &cargo).env("CARGO_NET_OFFLINE", "true").env_remove("CARGO_TARGET_DIR"));
    assert_same(&hashes(&dist::folder()), &hashes(&clone.join("target/dist")));
}
