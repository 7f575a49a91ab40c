//! The layers know each other in one direction only; this reads the `crate::` paths of every source file.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)] // a test that goes wrong is to stop

use std::{collections::BTreeSet, fs, path::Path};

/// Each layer with the layers that it may name.
const LAYERS: &[(&str, &[&str])] = &[
    ("deadline", &[]),
    ("istio", &[]),
    ("ports", &["deadline"]),
    ("terraform", &["deadline"]),
    ("mesh", &["istio", "ports"]),
    ("adapters", &["deadline", "ports"]),
    ("resources", &["deadline", "mesh", "ports", "terraform"]),
    ("ephemeral", &["mesh", "ports", "resources", "terraform"]),
    ("functions", &["mesh", "terraform"]),
    ("provider", &["adapters", "ephemeral", "functions", "mesh", "ports", "resources", "terraform"]),
    ("protocol", &["terraform"]),
    ("plugin", &["deadline", "protocol", "terraform"]),
];

/// What a layer must not name at all, and the layers that may.
const RESERVED: &[(&str, &[&str])] = &[
    ("tf_provider::", &["terraform"]),
    ("tokio::", &["deadline", "adapters", "plugin", "protocol", "resources", "terraform"]),
    ("kube::", &["adapters"]),
    ("std::env::var", &["adapters", "plugin"]),
    ("tokio::time::sleep", &["deadline"]),
    ("tokio::time::timeout", &["deadline"]),
];

fn sources(folder: &Path, into: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("src") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).expect("source");
            // Tests may reach further: they build what the layer is given in the program.
            let code = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
            into.push((path.to_string_lossy().into_owned(), code));
        }
    }
}

fn layer_of(file: &str) -> &str {
    let below = file.rsplit_once("/src/").map_or(file, |(_, below)| below);
    below.split('/').next().unwrap_or_default().trim_end_matches(".rs")
}

#[test]
fn each_layer_names_only_those_below_it() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let mut wrong = BTreeSet::new();
    for (file, code) in &files {
        let layer = layer_of(file);
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == layer) else {
            assert!(["lib", "main"].contains(&layer), "{file} belongs to no layer: add it to LAYERS");
            continue;
        };
        let code: String = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        for (other, _) in LAYERS {
            if *other != layer && !allowed.contains(other) && names(&code, other) {
                wrong.insert(format!("{file} names crate::{other}"));
            }
        }
        for (path, layers) in RESERVED {
            if code.contains(path) && !layers.contains(&layer) {
                wrong.insert(format!("{file} names {path}"));
            }
        }
    }
    assert!(wrong.is_empty(), "the direction of the layers is broken:\n{}", wrong.into_iter().collect::<Vec<_>>().join("\n"));
}

/// Whether the code names a layer, alone or in a group: `crate::mesh::…`, `use crate::{…, mesh::…}`.
fn names(code: &str, layer: &str) -> bool {
    if code.contains(&format!("crate::{layer}::")) || code.contains(&format!("crate::{layer};")) {
        return true;
    }
    code.match_indices("use crate::{").any(|(start, _)| {
        let group = &code[start..];
        let group = &group[..group.find("};").unwrap_or(group.len())];
        group.contains(&format!("\n    {layer}::")) || group.contains(&format!("{{{layer}::")) || group.contains(&format!(", {layer}::"))
    })
}
