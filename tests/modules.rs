//! Every module in `examples/modules` has what its users look for: documented variables and outputs, tests, an example, and a README.md that is
//! made of these. `make docs` (which sets `UPDATE_DOCS=1`) writes it; the examples are planned by `tests/acceptance/offline/module.rs`.

#![allow(clippy::expect_used, clippy::panic)] // a test that goes wrong is to stop

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

/// A `variable` or an `output`.
struct Block {
    name: String,
    /// The attributes with their expressions, each on one line.
    attributes: Vec<(String, String)>,
}

impl Block {
    fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(found, _)| found == name).map(|(_, expression)| expression.as_str())
    }

    /// The description, without its quotes.
    fn description(&self, file: &Path) -> String {
        let quoted = self.get("description").unwrap_or_else(|| panic!("{}: {} has no description", file.display(), self.name));
        let text = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')).expect("a string");
        text.replace("\\\"", "\"")
    }
}

/// Lists the blocks of a kind in a file that is formatted as `terraform fmt` does.
fn blocks(text: &str, kind: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut is_inside = false;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix(kind).and_then(|rest| rest.strip_prefix(" \"")).and_then(|rest| rest.strip_suffix("\" {")) {
            found.push(Block { name: name.to_owned(), attributes: Vec::new() });
            is_inside = true;
        } else if line == "}" {
            is_inside = false;
        } else if let (true, Some(block)) = (is_inside, found.last_mut()) {
            add_line(&mut block.attributes, line);
        }
    }
    found
}

fn add_line(attributes: &mut Vec<(String, String)>, line: &str) {
    let content = line.split_whitespace().collect::<Vec<_>>().join(" ");
    let is_first = line.strip_prefix("  ").is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_lowercase()));
    if let (true, Some((name, expression))) = (is_first, content.split_once(" = ")) {
        attributes.push((name.to_owned(), expression.to_owned()));
    } else if let Some((_, expression)) = attributes.last_mut() {
        // Between the lines of an object stand no commas.
        let separator = match (expression.ends_with(['{', '(', '[']), content.starts_with(['}', ')', ']'])) {
            (true, _) | (_, true) => " ",
            _ => ", ",
        };
        expression.push_str(separator);
        expression.push_str(&content);
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut folders: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

fn name_of(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

/// The comment that a configuration begins with, as a paragraph.
fn introduction(text: &str) -> String {
    let lines: Vec<_> = text.lines().map_while(|line| line.strip_prefix("# ")).collect();
    lines.join("\n")
}

fn readme(module: &Path) -> String {
    let name = name_of(module);
    let mut page = format!("# {name}\n\n{}\n", introduction(&read(&module.join("main.tf"))));
    for example in folders(&module.join("examples")) {
        let text = read(&example.join("main.tf"));
        let about = introduction(&text);
        let code = text.trim_start_matches(&format!("# {}", about.replace('\n', "\n# "))).trim();
        let title = name_of(&example);
        write!(page, "\n## Example\n\n[`examples/{title}`](examples/{title}/main.tf): {about}\n\n```terraform\n{code}\n```\n")
            .expect("a string");
    }
    let variables = module.join("variables.tf");
    page.push_str("\n## Variables\n\n");
    for variable in blocks(&read(&variables), "variable") {
        let ty = variable.get("type").unwrap_or_else(|| panic!("{}: {} has no type", variables.display(), variable.name));
        let default = variable.get("default").map_or("required".to_owned(), |default| format!("default `{default}`"));
        writeln!(page, "- `{}` (`{ty}`, {default}) {}", variable.name, variable.description(&variables)).expect("a string");
    }
    let outputs = module.join("outputs.tf");
    page.push_str("\n## Outputs\n\n");
    for output in blocks(&read(&outputs), "output") {
        writeln!(page, "- `{}` {}", output.name, output.description(&outputs)).expect("a string");
    }
    page
}

fn modules() -> Vec<PathBuf> {
    folders(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/modules"))
}

#[test]
fn each_module_has_variables_outputs_tests_and_an_example() {
    assert!(modules().len() >= 4, "{:?}", modules());
    for module in modules() {
        let shown = module.display();
        for (file, kind) in [("variables.tf", "variable"), ("outputs.tf", "output")] {
            let text = read(&module.join(file));
            let written = text.lines().filter(|line| line.starts_with(kind)).count();
            assert!(written > 0 && blocks(&text, kind).len() == written, "{shown}/{file} isn't formatted, or has nothing");
            assert!(!read(&module.join("main.tf")).contains(&format!("\n{kind} \"")), "{shown}/main.tf has what belongs into {file}");
        }
        let tests: Vec<_> = fs::read_dir(module.join("tests")).unwrap_or_else(|error| panic!("{shown}/tests: {error}")).collect();
        for test in tests.iter().flatten() {
            let text = read(&test.path());
            assert!(name_of(&test.path()).ends_with(".tftest.hcl"), "{} is no test", test.path().display());
            assert!(text.contains("\nrun \"") && text.contains("assert {"), "{} asserts nothing", test.path().display());
        }
        assert!(!tests.is_empty(), "{shown} has no tests");
        let examples = folders(&module.join("examples"));
        assert!(!examples.is_empty(), "{shown} has no example");
        for example in examples {
            let text = read(&example.join("main.tf"));
            assert!(text.contains("= \"../..\""), "{} doesn't use its module", example.display());
        }
    }
}

#[test]
fn each_readme_is_made_of_its_module() {
    for module in modules() {
        let (file, wanted) = (module.join("README.md"), readme(&module));
        if std::env::var_os("UPDATE_DOCS").is_some() {
            fs::write(&file, &wanted).expect("written");
        }
        let found = fs::read_to_string(&file).unwrap_or_default();
        assert!(found == wanted, "{} is not what the module says; run `make docs`", file.display());
    }
}

#[test]
fn the_lines_of_a_type_become_one() {
    let text = "variable \"a\" {\n  description = \"Says \\\"a\\\".\"\n  type = map(object({\n    b    = string\n    c = optional(set(string))\n  }))\n  \
                default     = {}\n}\n\noutput \"a\" {\n}\n";
    let found = blocks(text, "variable");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].get("type"), Some("map(object({ b = string, c = optional(set(string)) }))"));
    assert_eq!(found[0].get("default"), Some("{}"));
    assert_eq!(found[0].description(Path::new("a")), "Says \"a\".");
}
