//! The blocks of code in the documents.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::fixture::source;

/// A block of code between two fences.
pub(in crate::offline) struct Block {
    /// The file with the line of the fence, as in `docs/guides/failover.md:20`.
    pub(in crate::offline) place: String,
    pub(in crate::offline) page: String,
    pub(in crate::offline) language: String,
    pub(in crate::offline) code: String,
}

impl Block {
    pub(in crate::offline) fn is_hcl(&self) -> bool {
        ["terraform", "hcl"].contains(&self.language.as_str())
    }

    /// Whether the page is made of schemas and examples.
    pub(in crate::offline) fn is_generated(&self) -> bool {
        self.page.strip_prefix("docs/").is_some_and(|page| {
            page == "index.md"
                || ["resources/", "data-sources/", "list-", "ephemeral-", "functions/"].iter().any(|start| page.starts_with(start))
        })
    }
}

/// Lists the blocks of README.md and of all that is in `docs`.
pub(in crate::offline) fn blocks() -> Vec<Block> {
    let mut pages = vec![source("README.md")];
    add_pages(&source("docs"), &mut pages);
    pages.sort();
    pages.iter().flat_map(|page| blocks_of(page)).collect()
}

fn add_pages(folder: &Path, pages: &mut Vec<PathBuf>) {
    for path in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            add_pages(&path, pages);
        } else if path.extension().is_some_and(|ending| ending == "md") {
            pages.push(path);
        }
    }
}

/// Lists the blocks of a page.
pub(in crate::offline) fn blocks_of(path: &Path) -> Vec<Block> {
    let page = path.strip_prefix(source("")).expect("a page of the project").display().to_string();
    let mut found = Vec::new();
    let mut open: Option<(Block, String)> = None;
    for (number, line) in (1..).zip(fs::read_to_string(path).expect("a page").lines()) {
        let fence = line.trim_start().strip_prefix("```");
        open = match (open, fence) {
            (None, Some(language)) => {
                let margin = line.chars().take_while(|character| *character == ' ').collect();
                let (place, page) = (format!("{page}:{number}"), page.clone());
                Some((Block { place, page, language: language.to_owned(), code: String::new() }, margin))
            }
            (Some((block, _)), Some(_)) => {
                found.push(block);
                None
            }
            (Some((mut block, margin)), None) => {
                block.code.push_str(line.strip_prefix(&margin).unwrap_or(line));
                block.code.push('\n');
                Some((block, margin))
            }
            (None, None) => None,
        };
    }
    assert!(open.is_none(), "{page}: a block of code doesn't end");
    found
}
