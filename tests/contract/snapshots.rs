//! The schemas as the CLIs see them, one line an attribute, so that a review sees what a change of the code does to users.
//! `UPDATE_SNAPSHOTS=1 cargo test --test contract snapshots` writes the files of `snapshots/`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use framework::protocol::wire::{
    Function, ResourceIdentitySchema, Schema, get_functions, get_resource_identity_schemas, schema::Attribute, schema::object::NestingMode,
};

use crate::session::Session;

#[tokio::test]
async fn the_schemas_are_those_of_the_snapshots() {
    let mut session = Session::start().await;
    let identities = session.provider.get_resource_identity_schemas(get_resource_identity_schemas::Request {}).await.expect("an answer");
    let identities = identities.into_inner().identity_schemas;
    let functions = session.provider.get_functions(get_functions::Request {}).await.expect("an answer").into_inner().functions;
    let schemas = &session.schema;
    let mut wanted = BTreeMap::new();
    wanted.insert(PathBuf::from("provider.txt"), schema_lines(schemas.provider.as_ref().expect("a schema")));
    for (folder, schemas) in [
        ("resources", &schemas.resource_schemas),
        ("list-resources", &schemas.list_resource_schemas),
        ("data-sources", &schemas.data_source_schemas),
        ("ephemeral-resources", &schemas.ephemeral_resource_schemas),
    ] {
        for (name, schema) in schemas {
            let identity = identities.get(name).filter(|_| folder == "resources").map(identity_lines).unwrap_or_default();
            wanted.insert(Path::new(folder).join(format!("{name}.txt")), [schema_lines(schema), identity].concat());
        }
    }
    for (name, function) in &functions {
        wanted.insert(Path::new("functions").join(format!("{name}.txt")), function_lines(function));
    }
    compare(&wanted);
}

fn compare(wanted: &BTreeMap<PathBuf, Vec<String>>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contract/snapshots");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        let _ = fs::remove_dir_all(&folder);
        for (file, lines) in wanted {
            let file = folder.join(file);
            fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
            fs::write(file, lines.join("\n") + "\n").expect("written");
        }
    }
    let mut differences = Vec::new();
    for (file, lines) in wanted {
        let stored = fs::read_to_string(folder.join(file)).unwrap_or_default();
        let stored: Vec<_> = stored.lines().collect();
        differences
            .extend(stored.iter().filter(|line| !lines.iter().any(|now| now == *line)).map(|line| format!("{}: - {line}", file.display())));
        differences
            .extend(lines.iter().filter(|line| !stored.contains(&line.as_str())).map(|line| format!("{}: + {line}", file.display())));
    }
    for file in files(&folder) {
        let relative = file.strip_prefix(&folder).expect("in the folder");
        if !wanted.contains_key(relative) {
            differences.push(format!("{}: no longer exists", relative.display()));
        }
    }
    assert!(
        differences.is_empty(),
        "the schemas changed; review this and run `UPDATE_SNAPSHOTS=1 cargo test --test contract snapshots`:\n{}",
        differences.join("\n")
    );
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn schema_lines(schema: &Schema) -> Vec<String> {
    let block = schema.block.as_ref().expect("a block");
    let deprecated = if block.deprecated { format!(", deprecated: {}", block.deprecation_message) } else { String::new() };
    let mut lines = vec![format!("version {}{deprecated}", schema.version)];
    assert!(block.block_types.is_empty(), "blocks have no lines yet");
    attribute_lines("", &block.attributes, &mut lines);
    lines
}

fn attribute_lines(path: &str, attributes: &[Attribute], lines: &mut Vec<String>) {
    let mut attributes: Vec<_> = attributes.iter().collect();
    attributes.sort_by_key(|attribute| &attribute.name);
    for attribute in attributes {
        let path = format!("{path}{}", attribute.name);
        let mut traits = vec![match &attribute.nested_type {
            Some(nested) => match nested.nesting() {
                NestingMode::Single => "object".to_owned(),
                nesting => format!("{} of objects", nesting.as_str_name().to_lowercase()),
            },
            None => type_of(&attribute.r#type),
        }];
        for (is_so, name) in [
            (attribute.required, "required"),
            (attribute.optional, "optional"),
            (attribute.computed, "computed"),
            (attribute.sensitive, "sensitive"),
            (attribute.write_only, "write-only"),
        ] {
            if is_so {
                traits.push(name.to_owned());
            }
        }
        if attribute.deprecated {
            traits.push(format!("deprecated: {}", attribute.deprecation_message));
        }
        lines.push(format!("{path}: {}", traits.join(", ")));
        if let Some(nested) = &attribute.nested_type {
            attribute_lines(&format!("{path}."), &nested.attributes, lines);
        }
    }
}

fn identity_lines(identity: &ResourceIdentitySchema) -> Vec<String> {
    let mut lines = vec![format!("identity version {}", identity.version)];
    // In the order of the import ID.
    lines.extend(identity.identity_attributes.iter().map(|attribute| {
        let need = if attribute.required_for_import { "required" } else { "optional" };
        format!("identity {}: {}, {need}", attribute.name, type_of(&attribute.r#type))
    }));
    lines
}

fn function_lines(function: &Function) -> Vec<String> {
    let parameters = function.parameters.iter().chain(&function.variadic_parameter);
    let mut lines: Vec<_> = parameters.map(|parameter| format!("parameter {}: {}", parameter.name, type_of(&parameter.r#type))).collect();
    lines.push(format!("returns {}", type_of(&function.r#return.as_ref().expect("a result").r#type)));
    lines
}

/// A type as the protocol writes it, without its quotes.
fn type_of(json: &[u8]) -> String {
    String::from_utf8_lossy(json).replace('"', "")
}
