//! `docs/guides/troubleshooting.md` has an entry for the title of every error and warning, and none for others.

#![allow(clippy::expect_used, clippy::panic)] // a test that goes wrong is to stop

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use syn::{
    Expr, ExprCall, ExprLit, ExprMethodCall, ItemConst, ItemFn, Lit, Local, Macro, Pat, Stmt,
    visit::{self, Visit},
};

/// What makes a message, with the place of the title among the arguments.
const MESSAGES: &[(&str, usize)] =
    &[("Error::new", 0), ("Self::new", 0), ("Failure::new", 1), ("Failure::cut", 1), ("refuse", 0), ("warn", 1), ("problem", 0)];
/// Functions that return a title.
const FUNCTIONS: &[&str] = &["title", "cannot", "waiting"];
/// Variables that hold one.
const VARIABLES: &[&str] = &["title", "summary"];

#[derive(Default)]
struct Titles {
    found: BTreeSet<String>,
    /// All constants of the sources, by name, and the names of those that are titles.
    constants: BTreeMap<String, String>,
    named: BTreeSet<String>,
}

impl Titles {
    fn add(&mut self, expression: &Expr) {
        let text = match expression {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => text.value(),
                _ => return,
            },
            Expr::Macro(call) => match format_of(&call.mac) {
                Some(format) => with_gaps(&format),
                None => return,
            },
            Expr::Path(constant) => {
                self.named.extend(constant.path.get_ident().map(ToString::to_string));
                return;
            }
            Expr::Match(choice) => return choice.arms.iter().for_each(|arm| self.add(&arm.body)),
            Expr::Reference(of) => return self.add(&of.expr),
            Expr::MethodCall(call) => return self.add(&call.receiver),
            _ => return,
        };
        if text.starts_with(|first: char| first.is_uppercase() || first == '…') || text.starts_with("istiod") {
            self.found.insert(text);
        }
    }
}

/// The format string of a `format!`.
fn format_of(call: &Macro) -> Option<String> {
    let arguments = call.path.is_ident("format").then_some(&call.tokens)?;
    let first = arguments.clone().into_iter().next()?;
    syn::parse_str::<syn::LitStr>(&first.to_string()).ok().map(|text| text.value())
}

/// A format string with `…` for each of its arguments.
fn with_gaps(format: &str) -> String {
    let mut text = String::new();
    let mut is_in_gap = false;
    for letter in format.chars() {
        match letter {
            '{' => {
                is_in_gap = true;
                text.push('…');
            }
            '}' => is_in_gap = false,
            _ if is_in_gap => {}
            _ => text.push(letter),
        }
    }
    text
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| attribute.path().is_ident("cfg") || attribute.path().is_ident("test"))
}

impl<'a> Visit<'a> for Titles {
    fn visit_item_mod(&mut self, module: &'a syn::ItemMod) {
        if !is_test(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_expr_call(&mut self, call: &'a ExprCall) {
        if let Expr::Path(function) = &*call.func {
            let names: Vec<_> = function.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            let name = names.join("::");
            if let Some((_, place)) = MESSAGES.iter().find(|(message, _)| *message == name)
                && let Some(title) = call.args.iter().nth(*place)
            {
                self.add(title);
            }
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_expr_method_call(&mut self, call: &'a ExprMethodCall) {
        if let (true, Some(title)) = (call.method == "error", call.args.first()) {
            self.add(title);
        }
        // `Waiting::pause`; that of a deadline has no title.
        if let (true, Some(title)) = (call.method == "pause", call.args.get(1)) {
            self.add(title);
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_item_const(&mut self, constant: &'a ItemConst) {
        if let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = &*constant.expr {
            self.constants.insert(constant.ident.to_string(), text.value());
        }
    }

    fn visit_local(&mut self, local: &'a Local) {
        if let Pat::Ident(variable) = &local.pat
            && VARIABLES.iter().any(|title| variable.ident == title)
            && let Some(value) = &local.init
        {
            self.add(&value.expr);
        }
        visit::visit_local(self, local);
    }

    fn visit_item_fn(&mut self, function: &'a ItemFn) {
        if FUNCTIONS.iter().any(|title| function.sig.ident == title) {
            self.add_result(&function.block);
        }
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'a syn::ImplItemFn) {
        if FUNCTIONS.iter().any(|title| function.sig.ident == title) {
            self.add_result(&function.block);
        }
        visit::visit_impl_item_fn(self, function);
    }
}

impl Titles {
    fn all(self) -> BTreeSet<String> {
        let constants = self.named.iter().filter_map(|name| self.constants.get(name).cloned());
        constants.chain(self.found.iter().cloned()).collect()
    }

    fn add_result(&mut self, body: &syn::Block) {
        if let Some(Stmt::Expr(result, None)) = body.stmts.last() {
            self.add(result);
        }
    }
}

fn read(folder: &Path, into: &mut Titles) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let is_of_tests = ["tests", "testing", "fakes"].iter().any(|of| name == *of || name.ends_with(&format!("_{of}")));
        if is_of_tests {
            continue;
        }
        if path.is_dir() {
            read(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).expect("source");
            into.visit_file(&syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
        }
    }
}

#[test]
fn every_title_has_an_entry() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Titles::default();
    read(&root.join("src"), &mut found);
    read(&root.join("framework/src"), &mut found);
    let guide = fs::read_to_string(root.join("docs/guides/troubleshooting.md")).expect("the guide");
    let entries: BTreeSet<_> = guide.lines().filter_map(|line| line.strip_prefix("### ")).map(str::to_owned).collect();
    let titles = found.all();
    let missing: Vec<_> = titles.difference(&entries).collect();
    let unknown: Vec<_> = entries.difference(&titles).collect();
    assert!(missing.is_empty(), "docs/guides/troubleshooting.md has no entry for these titles: {missing:#?}");
    assert!(unknown.is_empty(), "docs/guides/troubleshooting.md has entries for titles that no message has: {unknown:#?}");
}

/// Helm values are checked one resource at a time, but a misspelled one is easily missed in a plan of a whole mesh.
const OF_HELM: &str = "Helm value … …";

/// The warnings themselves name their paragraph, as the function `warn` of `planned_mesh` makes them all.
#[test]
fn every_warning_about_the_whole_mesh_has_a_paragraph() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Titles::default();
    read(&root.join("src/world/planned_mesh"), &mut found);
    let mut titles = found.all();
    assert!(titles.len() > 10, "{titles:#?}");
    titles.insert(OF_HELM.to_owned());
    let guide = fs::read_to_string(root.join("docs/guides/warnings.md")).expect("the guide");
    assert!(guide.contains("\n# Plan warnings\n"), "the messages name the guide by this title");
    let paragraphs: Vec<_> = guide.split("\n### ").skip(1).map(|text| text.split_once('\n').expect("a heading and a text")).collect();
    assert_eq!(paragraphs.iter().map(|(title, _)| (*title).to_owned()).collect::<BTreeSet<_>>(), titles);
    for (title, text) in paragraphs {
        for part in ["*It means*", "*If it is ignored*", "*To mend it*"] {
            assert_eq!(text.matches(part).count(), 1, "docs/guides/warnings.md, {title}: {part}");
        }
    }
}

#[test]
fn a_title_is_found_wherever_it_is_written() {
    let source = r#"
        fn title(of: &str) -> String { format!("Can't read {of} of {}", 1) }
        fn f() {
            let summary = "In a variable";
            Error::new("In a call", why);
            Failure::new(Kind::Other, format!("With a {gap:?}"), why);
        }
        #[cfg(test)]
        mod tests { fn g() { Error::new("Of a test", why); } }
    "#;
    let mut found = Titles::default();
    found.visit_file(&syn::parse_str(source).expect("Rust"));
    let wanted = ["Can't read … of …", "In a call", "In a variable", "With a …"];
    assert_eq!(found.all().into_iter().collect::<Vec<_>>(), wanted);
}
