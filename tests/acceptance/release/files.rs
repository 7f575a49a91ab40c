//! The files of a release are what the registries and the mirrors ask for.

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt, process::Command};

use super::dist::{self, VERSION, run};

#[test]
#[ignore = "needs `make dist-all`; seconds"]
fn each_archive_has_the_provider_helm_and_both_licenses() {
    for platform in dist::PLATFORMS {
        let folder = tempfile::tempdir().expect("a folder");
        dist::unpack(platform, folder.path());
        let names: BTreeSet<String> = fs::read_dir(folder.path())
            .expect("files")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        let provider = format!("terraform-provider-mesh_v{VERSION}");
        assert_eq!(names, BTreeSet::from(["LICENSE.helm.txt", "LICENSE.txt", "helm", &provider].map(str::to_owned)), "{platform}");
        for program in [&provider, "helm"] {
            let file = folder.path().join(program);
            assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o755, "{platform}: {program}");
            let headers = run(Command::new("readelf").arg("--program-headers").arg(&file));
            assert!(!headers.contains("INTERP"), "{platform}: {program} needs a dynamic loader:\n{headers}");
            let bytes = fs::read(&file).expect("a program");
            for path in [env!("CARGO_MANIFEST_DIR"), concat!(env!("HOME"), "/")] {
                let found = bytes.windows(path.len()).any(|window| window == path.as_bytes());
                assert!(!found, "{platform}: {program} contains a path of the machine that built it");
            }
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    dist::unpack("linux_amd64", folder.path());
    let version = run(Command::new(folder.path().join("helm")).args(["version", "--short"]));
    assert!(version.starts_with("v4."), "{version}");
}

#[test]
#[ignore = "needs `make dist-all`; seconds"]
fn the_checksums_name_every_archive_and_the_manifest() {
    run(Command::new("sha256sum").args(["--check", "--strict"]).arg(dist::file("SHA256SUMS")).current_dir(dist::folder()));
    let sums = fs::read_to_string(dist::file("SHA256SUMS")).expect("the checksums");
    for end in ["linux_amd64.zip", "linux_arm64.zip", "manifest.json", "sbom.cdx.json", "helm_sbom.cdx.json"] {
        assert!(sums.lines().any(|line| line.ends_with(&format!("_{VERSION}_{end}"))), "{end} is not in\n{sums}");
    }
    let manifest = dist::json("manifest.json");
    assert_eq!(manifest["version"], 1);
    assert_eq!(manifest["metadata"]["protocol_versions"], serde_json::json!(["6.0"]));
}

#[test]
#[ignore = "needs `make dist-all`; seconds"]
fn the_bills_of_materials_name_what_is_in_the_programs() {
    for (end, component) in [("sbom.cdx.json", "tonic"), ("helm_sbom.cdx.json", "k8s.io/client-go")] {
        let bill = dist::json(end);
        assert_eq!(bill["bomFormat"], "CycloneDX", "{end}");
        let components = bill["components"].as_array().expect("components");
        assert!(components.iter().any(|found| found["name"] == component && found["version"].is_string()), "{end} has no {component}");
        assert!(!bill.to_string().contains(env!("CARGO_MANIFEST_DIR")), "{end} has a path of this machine");
    }
}
