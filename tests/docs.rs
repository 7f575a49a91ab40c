//! The documents in `docs/` are generated from the schemas and the examples. This test fails when they differ;
//! `make docs` (which sets `UPDATE_DOCS=1`) writes them. What others say of tests, these must have.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)] // a test that goes wrong is to stop

use std::{fmt::Write as _, fs, path::Path};

use framework::{
    Attribute, AttributeConstraint, AttributeType, Datum, Forecast, Function, Identity, Nesting, Provider, Schema, Type, Value,
};
use terraform_provider_mesh::provider::Mesh;

type Configuration = <Mesh as Provider>::Model;

#[test]
fn the_documents_are_those_of_the_schemas() {
    let mut wanted = vec![("index.md".to_owned(), provider_page())];
    let file = |folder: &str, name: &str| format!("{folder}/{}.md", name.trim_start_matches("mesh_"));
    for resource in Mesh.resources() {
        let identity = resource.identity().expect("an identity");
        wanted.push((file("resources", resource.name()), resource_page(resource.name(), &resource.schema(), &identity)));
    }
    for source in Mesh.data_sources() {
        wanted.push((file("data-sources", source.name()), data_source_page(source.name(), &source.schema())));
    }
    for listing in Mesh.listings() {
        wanted.push((file("list-resources", listing.name()), list_page(listing.name(), &listing.schema())));
    }
    for ephemeral in Mesh.ephemerals() {
        wanted.push((file("ephemeral-resources", ephemeral.name()), ephemeral_page(ephemeral.name(), &ephemeral.schema())));
    }
    for function in Mesh.functions() {
        wanted.push((format!("functions/{}.md", function.name()), function_page(function.as_ref())));
    }
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let update = std::env::var_os("UPDATE_DOCS").is_some();
    for (file, page) in &wanted {
        let path = docs.join(file);
        if update {
            fs::create_dir_all(path.parent().expect("in docs")).expect("a folder");
            fs::write(&path, page).expect("written");
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(found == *page, "docs/{file} is not what the schema says; run `make docs`");
    }
    for folder in ["resources", "data-sources", "list-resources", "ephemeral-resources", "functions"] {
        for entry in fs::read_dir(docs.join(folder)).into_iter().flatten() {
            let file = format!("{folder}/{}", entry.expect("an entry").file_name().to_string_lossy());
            assert!(wanted.iter().any(|(name, _)| *name == file), "docs/{file} documents nothing; remove it");
        }
    }
}

/// Whether a file has a test of this name, or, of the tests that share a mesh, a function that the list in their `mod.rs` names.
fn has_test(file: &str, name: &str) -> bool {
    let read = |file: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap_or_default();
    let text = read(file);
    let Some((before, _)) = text.split_once(&format!("fn {name}(")) else { return false };
    let mut lines = before.lines().rev().skip_while(|line| ["", "async", "pub(super)"].contains(&line.trim()));
    if lines.by_ref().take_while(|line| line.trim().starts_with("#[")).any(|line| line.contains("test")) {
        return true;
    }
    let Some((folder, module)) = file.trim_end_matches(".rs").rsplit_once('/') else { return false };
    read(&format!("{folder}/mod.rs")).contains(&format!(" {module}::{name},"))
}

#[test]
fn each_complaint_has_a_test_that_exists() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/design/complaints.md")).expect("the page");
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| "))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    let numbered: Vec<_> = rows.iter().filter(|row| row[0].parse::<u32>().is_ok()).collect();
    assert_eq!(numbered.iter().map(|row| row[0].parse().expect("a number")).collect::<Vec<u32>>(), (1..=20).collect::<Vec<_>>());
    for row in numbered {
        assert_eq!(row.len(), 4, "{row:?}");
        // A path is followed by the names of tests in that file.
        let (mut file, mut count) = ("", 0);
        for quoted in row[3].split('`').skip(1).step_by(2) {
            if Path::new(quoted).extension().is_some_and(|ending| ending == "rs") {
                file = quoted;
            } else {
                assert!(has_test(file, quoted), "docs/design/complaints.md, {}: `{file}` has no test `{quoted}`", row[0]);
                count += 1;
            }
        }
        assert!(count > 0, "docs/design/complaints.md, {}: no test", row[0]);
    }
}

#[test]
fn a_function_that_is_no_test_is_not_taken_for_one() {
    assert!(has_test("tests/docs.rs", "each_complaint_has_a_test_that_exists"));
    assert!(has_test("tests/acceptance/on_a_mesh/secrets.rs", "secrets_are_in_no_state_plan_or_log"));
    for (file, name) in [
        ("tests/docs.rs", "provider_page"),
        ("tests/docs.rs", "each_complaint"),
        ("tests/acceptance/on_a_mesh/secrets.rs", "another"),
        ("nowhere.rs", "provider_page"),
    ] {
        assert!(!has_test(file, name), "{file}: {name}");
    }
}

fn provider_page() -> String {
    let schema = Schema::of::<Configuration>();
    let mut page = index_front_matter("mesh Provider", &schema.description);
    write!(page, "# mesh Provider\n\n{}\n\n## Example Usage\n\n{}", schema.description, example("provider/provider.tf")).expect("a string");
    page.push_str(&schema_section(&schema));
    page
}

fn resource_page(name: &str, schema: &Schema, identity: &Identity) -> String {
    let mut page = front_matter(&format!("{name} Resource - mesh"), &schema.description);
    let usage = example(&format!("resources/{name}/resource.tf"));
    write!(page, "# {name} (Resource)\n\n{}\n\n## Example Usage\n\n{usage}", schema.description).expect("a string");
    page.push_str(&schema_section(schema));
    page.push_str(&import_section(name, identity));
    page
}

fn data_source_page(name: &str, schema: &Schema) -> String {
    let mut page = front_matter(&format!("{name} Data Source - mesh"), &schema.description);
    let usage = example(&format!("data-sources/{name}/data-source.tf"));
    write!(page, "# {name} (Data Source)\n\n{}\n\n## Example Usage\n\n{usage}", schema.description).expect("a string");
    page.push_str(&schema_section(schema));
    page
}

fn import_section(name: &str, identity: &Identity) -> String {
    let by_name =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("examples/resources/{name}/import.sh"))).expect("an import");
    let by_identity = example(&format!("resources/{name}/import-by-identity.tf"));
    let mut section =
        format!("\n## Import\n\nBy identity, with Terraform 1.12 or OpenTofu 1.12 and newer:\n\n{by_identity}\n### Identity Schema\n");
    for (title, is_optional) in [("Required", false), ("Optional", true)] {
        let members: Vec<_> = identity.attributes().iter().filter(|attribute| attribute.default.is_some() == is_optional).collect();
        if !members.is_empty() {
            write!(section, "\n#### {title}\n\n").expect("a string");
        }
        for of in members {
            write!(section, "- `{}` ({}) {}", of.name, plain_name(&of.ty), of.description.replace('\n', " ")).expect("a string");
            if let Some(Value::Value(default)) = &of.default {
                write!(section, " Default: {}.", literal(default)).expect("a string");
            }
            section.push('\n');
        }
    }
    write!(section, "\nBy name:\n\n```shell\n{}\n```\n", by_name.trim_end()).expect("a string");
    section
}

fn list_page(name: &str, schema: &Schema) -> String {
    let about = format!(
        "Finds what exists in the clusters and can be imported as a [{name}](../resources/{}.md).",
        name.trim_start_matches("mesh_")
    );
    let mut page = front_matter(&format!("{name} List Resource - mesh"), &about);
    let usage = example(&format!("list-resources/{name}/list-resource.tfquery.hcl"));
    write!(
        page,
        "# {name} (List Resource)\n\n{about} For `terraform query`, with Terraform 1.14 and newer.\n\n## Example Usage\n\n{usage}"
    )
    .expect("a string");
    page.push_str(&schema_section(schema));
    page
}

fn ephemeral_page(name: &str, schema: &Schema) -> String {
    let mut page = front_matter(&format!("{name} Ephemeral Resource - mesh"), &schema.description);
    let usage = example(&format!("ephemeral-resources/{name}/ephemeral-resource.tf"));
    write!(page, "# {name} (Ephemeral Resource)\n\n{}\n\n## Example Usage\n\n{usage}", schema.description).expect("a string");
    page.push_str(&schema_section(schema));
    page
}

fn function_page(function: &dyn Function) -> String {
    let name = function.name();
    let parameters = function.parameters();
    let signature: Vec<_> =
        parameters.iter().map(|parameter| format!("{} {}", parameter.name, type_name(&parameter.ty).to_lowercase())).collect();
    let mut page = format!(
        "---\npage_title: \"{name} Function - mesh\"\nsubcategory: \"\"\ndescription: |-\n  {}\n---\n\n# function: {name}\n\n{}\n\n## Example Usage\n\n{}\n## \
         Signature\n\n```text\n{name}({}) {}\n```\n\n## Arguments\n\n",
        function.summary(),
        function.description(),
        example(&format!("functions/{name}/function.tf")),
        signature.join(", "),
        match function.returns() {
            Type::Nested(Nesting::Single, _) => "object".to_owned(),
            returns => type_name(&returns).to_lowercase(),
        }
    );
    for (number, parameter) in (1..).zip(&parameters) {
        writeln!(page, "{number}. `{}` ({}) {}", parameter.name, type_name(&parameter.ty), parameter.description).expect("a string");
    }
    if let Type::Nested(Nesting::Single, attributes) = function.returns() {
        page.push_str("\n## Result\n");
        attribute_sections(&mut page, &attributes);
    }
    page
}

fn front_matter(title: &str, description: &str) -> String {
    index_front_matter(title, description).replacen("description:", "subcategory: \"\"\ndescription:", 1)
}

/// The provider's own page belongs to no subcategory, not even an empty one.
fn index_front_matter(title: &str, description: &str) -> String {
    let first = description.split("\n\n").next().unwrap_or_default().replace('\n', " ");
    format!("---\npage_title: \"{title}\"\ndescription: |-\n  {first}\n---\n\n")
}

fn example(file: &str) -> String {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(file)).expect(file);
    format!("```terraform\n{}\n```\n", text.trim_end())
}

fn schema_section(schema: &Schema) -> String {
    let mut page = "\n## Schema\n".to_owned();
    attribute_sections(&mut page, &schema.attributes);
    page
}

fn attribute_sections(page: &mut String, attributes: &[Attribute]) {
    let mut nested = Vec::new();
    section(page, attributes, "", &mut nested);
    while !nested.is_empty() {
        let (path, attributes) = nested.remove(0);
        write!(page, "\n<a id=\"nestedatt--{}\"></a>\n### Nested Schema for `{path}`\n", path.replace('.', "--")).expect("a string");
        section(page, &attributes, &path, &mut nested);
    }
}

type NestedSchemas = Vec<(String, Vec<Attribute>)>;

fn section(page: &mut String, attributes: &[Attribute], path: &str, nested: &mut NestedSchemas) {
    let title = |title: &str| if path.is_empty() { format!("\n### {title}\n\n") } else { format!("\n{title}:\n\n") };
    let group = |attribute: &Attribute| match attribute.rules.constraint {
        AttributeConstraint::Required => 0,
        AttributeConstraint::Computed => 2,
        _ => 1,
    };
    for (index, heading) in ["Required", "Optional", "Read-Only"].iter().enumerate() {
        let mut members: Vec<_> = attributes.iter().filter(|attribute| group(attribute) == index).collect();
        members.sort_by_key(|attribute| attribute.name);
        if members.is_empty() {
            continue;
        }
        page.push_str(&title(heading));
        for attribute in members {
            line(page, attribute, path, nested);
        }
    }
}

fn line(page: &mut String, attribute: &Attribute, path: &str, nested: &mut NestedSchemas) {
    let rules = &attribute.rules;
    let mut traits = vec![type_name(&attribute.ty)];
    for (set, text) in [(rules.sensitive, "Sensitive"), (rules.write_only, "Write-only"), (rules.deprecation.is_some(), "Deprecated")] {
        if set {
            traits.push(text.to_owned());
        }
    }
    write!(page, "- `{}` ({}) {}", attribute.name, traits.join(", "), attribute.documentation().replace('\n', " ")).expect("a string");
    if let Some(Value::Value(default)) = &rules.default {
        write!(page, " Default: {}.", literal(default)).expect("a string");
    }
    if rules.replaces {
        page.push_str(" A change replaces the resource.");
    }
    if let Some(instead) = rules.deprecation {
        write!(page, " {instead}").expect("a string");
    }
    debug_assert!(rules.constraint == AttributeConstraint::Computed || rules.forecast == Forecast::Unknown);
    if let Type::Nested(_, attributes) = &attribute.ty {
        let path = if path.is_empty() { attribute.name.to_owned() } else { format!("{path}.{}", attribute.name) };
        write!(page, " (see [below for nested schema](#nestedatt--{}))", path.replace('.', "--")).expect("a string");
        nested.push((path, attributes.clone()));
    }
    page.push('\n');
}

fn literal(datum: &Datum) -> String {
    match datum {
        Datum::String(text) => format!("`{text}`"),
        Datum::Number(number) => format!("`{number}`"),
        Datum::Bool(truth) => format!("`{truth}`"),
        other => panic!("no text for a default that is a {}", other.kind()),
    }
}

fn type_name(ty: &Type) -> String {
    match ty {
        Type::Nested(Nesting::Single, _) => "Attributes".to_owned(),
        Type::Nested(Nesting::List, _) => "Attributes List".to_owned(),
        Type::Nested(Nesting::Set, _) => "Attributes Set".to_owned(),
        Type::Nested(Nesting::Map, _) => "Attributes Map".to_owned(),
        Type::Plain(plain) => plain_name(plain),
    }
}

fn plain_name(ty: &AttributeType) -> String {
    match ty {
        AttributeType::String => "String".to_owned(),
        AttributeType::Number => "Number".to_owned(),
        AttributeType::Bool => "Boolean".to_owned(),
        AttributeType::List(element) => format!("List of {}", plain_name(element)),
        AttributeType::Set(element) => format!("Set of {}", plain_name(element)),
        AttributeType::Map(element) => format!("Map of {}", plain_name(element)),
        _ => "Object".to_owned(),
    }
}
