//! The layers know each other in one direction only; this reads the `crate::` paths of every source file.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)] // a test that goes wrong is to stop

use std::{collections::BTreeSet, fs, path::Path};

/// Each layer with the layers that it may name.
const LAYERS: &[(&str, &[&str])] = &[
    ("data", &[]),
    ("istio", &[]),
    ("ports", &["data"]),
    ("mesh", &["data", "istio"]),
    ("adapters", &["data", "ports"]),
    ("world", &["data", "mesh", "ports"]),
    ("resources", &["data", "mesh", "ports", "world"]),
    ("data_sources", &["data", "mesh", "ports", "world"]),
    ("ephemeral", &["data", "mesh", "ports", "world"]),
    ("functions", &["mesh"]),
    ("provider", &["adapters", "data", "data_sources", "ephemeral", "functions", "mesh", "ports", "resources", "world"]),
];

/// Names that only some layers may use.
const RESERVED: &[(&str, &[&str])] = &[
    ("framework::", &["ports", "adapters", "world", "resources", "data_sources", "ephemeral", "functions", "provider"]),
    ("tokio::", &["adapters", "world", "resources", "data_sources"]),
    ("kube::", &["adapters"]),
    ("std::env::var", &["adapters"]),
    ("tokio::time::sleep", &[]),
    ("tokio::time::timeout", &[]),
];

fn sources(folder: &Path, into: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("src") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).expect("source");
            into.push((path.to_string_lossy().into_owned(), text));
        }
    }
}

/// The code without what is compiled for tests only: tests may reach further, as they build what the layer is given in the program. Adds
/// the names of modules in files of their own that are for tests only.
fn without_tests(text: &str, test_modules: &mut BTreeSet<String>) -> String {
    let mut code = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim() != "#[cfg(test)]" {
            code.push_str(line);
            code.push('\n');
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        // The item ends with the first line of the same indentation that closes it.
        for line in lines.by_ref() {
            let item = line.trim();
            if let Some(module) = item.strip_suffix(';').and_then(|item| item.rsplit_once("mod ")) {
                test_modules.insert(module.1.to_owned());
            }
            let closes = item.ends_with(';') || item.ends_with('}');
            if closes && !item.starts_with("#[") && line.len() - line.trim_start().len() == indent {
                break;
            }
        }
    }
    code
}

fn layer_of(file: &str) -> &str {
    let below = file.rsplit_once("/src/").map_or(file, |(_, below)| below);
    below.split('/').next().unwrap_or_default().trim_end_matches(".rs")
}

#[test]
fn each_layer_names_only_those_below_it() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let mut test_modules = BTreeSet::new();
    for (_, text) in &mut files {
        *text = without_tests(text, &mut test_modules);
    }
    files.retain(|(file, _)| !test_modules.iter().any(|module| file.ends_with(&format!("/{module}.rs"))));
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

#[test]
fn only_what_is_for_tests_is_left_out() {
    let text = "mod a;\n#[cfg(test)]\nmod fakes;\nuse crate::b;\n#[cfg(test)]\nuse crate::{\n    c,\n};\nfn f() {}\n#[cfg(test)]\nmod tests {\n    fn g() {}\n}\nuse crate::d;\n";
    let mut modules = BTreeSet::new();
    assert_eq!(without_tests(text, &mut modules), "mod a;\nuse crate::b;\nfn f() {}\nuse crate::d;\n");
    assert_eq!(modules.into_iter().collect::<Vec<_>>(), ["fakes"]);
}
