//! Both CLIs install the release from a registry, as the public ones serve it: found by the source's host name, its checksums signed.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value as Json, json};

use super::{
    dist::{self, PLATFORMS, VERSION},
    server::{Authority, Server},
    signing::Signer,
};
use crate::{
    fixture::{REQUIREMENT, lab},
    workspace::{Workspace, clis, text},
};

/// Where the documents of this provider are.
const PROVIDER: &str = "v1/providers/terraform-provider-mesh/mesh";

fn write(folder: &Path, path: &str, document: &Json) {
    let file = folder.join(path);
    fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
    fs::write(file, document.to_string()).expect("written");
}

/// Writes the documents by which a registry offers the release, and returns the file of the signature.
fn publish(registry: &Path, signer: &Signer) -> PathBuf {
    let name = |end: &str| format!("terraform-provider-mesh_{VERSION}_{end}");
    for end in PLATFORMS.map(|platform| format!("{platform}.zip")).iter().map(String::as_str).chain(["SHA256SUMS"]) {
        fs::copy(dist::file(end), registry.join(name(end))).expect("copied");
    }
    let sums = registry.join(name("SHA256SUMS"));
    let signature = signer.sign(&sums);

    let protocols = dist::json("manifest.json")["metadata"]["protocol_versions"].clone();
    let platform = |platform: &str| {
        let (os, arch) = platform.split_once('_').expect("a platform");
        (os.to_owned(), arch.to_owned())
    };
    let platforms = PLATFORMS.map(|name| {
        let (os, arch) = platform(name);
        json!({"os": os, "arch": arch})
    });
    write(registry, ".well-known/terraform.json", &json!({"providers.v1": "/v1/providers/"}));
    let version = json!({"version": VERSION, "protocols": protocols, "platforms": platforms});
    write(registry, &format!("{PROVIDER}/versions"), &json!({"versions": [version]}));
    let hashes = fs::read_to_string(&sums).expect("checksums");
    for of in PLATFORMS {
        let (os, arch) = platform(of);
        let archive = name(&format!("{of}.zip"));
        let hash = hashes.lines().find_map(|line| line.strip_suffix(&archive)).expect("a checksum").trim();
        let package = json!({
            "protocols": protocols, "os": os, "arch": arch, "filename": archive, "download_url": format!("/{archive}"), "shasum": hash,
            "shasums_url": format!("/{}", name("SHA256SUMS")), "shasums_signature_url": format!("/{}", name("SHA256SUMS.sig")),
            "signing_keys": {"gpg_public_keys": [{"key_id": signer.key_id(), "ascii_armor": signer.public_key()}]},
        });
        write(registry, &format!("{PROVIDER}/{VERSION}/download/{os}/{arch}"), &package);
    }
    signature
}

#[test]
#[ignore = "needs `make dist-all`; seconds"]
fn it_installs_from_a_registry_that_signs_it_and_not_with_another_signature() {
    let folder = tempfile::tempdir().expect("a folder");
    let registry = folder.path().join("registry");
    fs::create_dir(&registry).expect("a folder");
    let signature = publish(&registry, &Signer::new("release@example.com"));
    let authority = Authority::new();
    let server = Server::start(&authority, registry.clone());
    let host = format!("localhost:{}", server.address().port());
    let configuration = REQUIREMENT.replace("\"terraform-provider-mesh/mesh\"", &format!("\"{host}/terraform-provider-mesh/mesh\""));
    let init = |workspace: &Workspace| {
        workspace.write("cli.tfrc", "provider_installation {\n  direct {}\n}\n");
        workspace.command(&["init", "-no-color"]).env("SSL_CERT_FILE", authority.file()).output().expect("the CLI starts")
    };
    let sums = fs::read_to_string(dist::file("SHA256SUMS")).expect("checksums");
    assert_eq!(sums.matches(".zip").count(), PLATFORMS.len(), "{sums}");
    for cli in clis(&lab()) {
        let workspace = Workspace::new(&cli, &configuration);
        let output = init(&workspace);
        let printed = text(&output);
        assert!(output.status.success() && printed.contains("key ID"), "{}: {printed}", cli.name);
        // With a signature, the lock file has the checksums of every platform.
        let lock = workspace.read(".terraform.lock.hcl");
        for hash in sums.lines().filter(|line| line.contains(".zip")).filter_map(|line| line.split(' ').next()) {
            assert!(lock.contains(&format!("zh:{hash}")), "{}: {lock}", cli.name);
        }
    }

    // The same checksums, signed by somebody else.
    fs::remove_file(&signature).expect("removed");
    assert_eq!(Signer::new("somebody@example.com").sign(&signature.with_extension("")), signature);
    for cli in clis(&lab()) {
        let output = init(&Workspace::new(&cli, &configuration));
        assert!(!output.status.success() && text(&output).contains("sign"), "{}: {}", cli.name, text(&output));
    }
}
