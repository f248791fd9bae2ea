//! A page of Markdown: its blocks, its anchors, its parts that are made.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The repository.
pub(super) const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// Folders and files in which pages are.
const PLACES: [&str; 6] = ["README.md", "ARCHITECTURE.md", "SECURITY.md", "CHANGELOG.md", "docs", "deploy"];

/// Whoever writes a page of which another test writes another part holds this from reading to writing.
pub(super) static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// One page.
pub(super) struct Page {
    /// From the root of the repository.
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// A block between two fences.
pub(super) struct Block {
    /// What stands behind the fence, as `toml`.
    pub(super) info: String,
    /// Without its indent.
    pub(super) text: String,
    /// Bytes of the page that it takes, with its indent.
    pub(super) place: std::ops::Range<usize>,
    pub(super) indent: String,
    /// For messages.
    pub(super) line: usize,
}

impl Page {
    pub(super) fn read(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let text = std::fs::read_to_string(Path::new(ROOT).join(&path)).unwrap();
        Self { path, text }
    }

    pub(super) fn all() -> Vec<Self> {
        let mut found = Vec::new();
        PLACES.iter().for_each(|place| walk(Path::new(place), &mut |path| found.push(path)));
        found.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
        found.sort();
        found.into_iter().map(Self::read).collect()
    }

    pub(super) fn name(&self) -> String {
        self.path.display().to_string()
    }

    pub(super) fn blocks(&self) -> Vec<Block> {
        let (mut blocks, mut open, mut at) = (Vec::new(), None::<Block>, 0);
        for (number, line) in self.text.split_inclusive('\n').enumerate() {
            let begin = at;
            at += line.len();
            let bare = line.trim_start();
            match (&mut open, bare.strip_prefix("```")) {
                (None, Some(info)) => {
                    let indent = line[..line.len() - bare.len()].to_owned();
                    let info = info.trim().to_owned();
                    open = Some(Block { info, text: String::new(), place: at..at, indent, line: number + 1 });
                }
                (Some(block), Some(_)) => {
                    block.place.end = begin;
                    blocks.extend(open.take());
                }
                (Some(block), None) => block.text.push_str(line.strip_prefix(block.indent.as_str()).unwrap_or(bare)),
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{}: a block has no end", self.name());
        blocks
    }

    /// What a link to a heading may say.
    pub(super) fn anchors(&self) -> BTreeSet<String> {
        let inside: Vec<_> = self.blocks().into_iter().map(|block| block.place).collect();
        let (mut anchors, mut at) = (BTreeSet::new(), 0);
        for line in self.text.split_inclusive('\n') {
            if line.starts_with('#') && !inside.iter().any(|place| place.contains(&at)) {
                anchors.insert(anchor(line.trim_start_matches('#').trim()));
            }
            at += line.len();
        }
        anchors
    }

    /// Writes `after` in place of what is there if that is asked for, else they have to be the same.
    #[track_caller]
    pub(super) fn must_be(&self, after: &str) {
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(Path::new(ROOT).join(&self.path), after).unwrap();
            return;
        }
        let differs = self.text.lines().zip(after.lines()).find(|(is, should)| is != should);
        assert!(
            self.text == after,
            "{} differs from the code, first in {differs:?}; run this test with UPDATE_DOCS=1",
            self.name()
        );
    }
}

/// As GitHub makes it of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// Every file at or below a path, from the root.
pub(super) fn walk(path: &Path, found: &mut impl FnMut(PathBuf)) {
    let full = Path::new(ROOT).join(path);
    if full.is_dir() {
        full.read_dir().unwrap().for_each(|entry| walk(&path.join(entry.unwrap().file_name()), found));
    } else {
        found(path.to_owned());
    }
}

/// The text with what stands between the two marks replaced.
#[track_caller]
pub(crate) fn with_table(text: &str, mark: &str, table: &str) -> String {
    let begin = text.find(&format!("<!-- {mark}:")).unwrap_or_else(|| panic!("no mark `{mark}`"));
    let begin = begin + text[begin..].find('\n').unwrap() + 1;
    let end = text.find(&format!("<!-- end of {mark} -->")).unwrap_or_else(|| panic!("no end of `{mark}`"));
    format!("{}{table}{}", &text[..begin], &text[end..])
}

#[test]
fn anchors_are_those_of_github() {
    for (heading, want) in [
        ("Exit codes", "exit-codes"),
        ("`cisco-webex-get-event`", "cisco-webex-get-event"),
        ("Security audits: Pro Pack and a switch", "security-audits-pro-pack-and-a-switch"),
        ("What a round came to, `--json`", "what-a-round-came-to---json"),
    ] {
        assert_eq!(anchor(heading), want);
    }
}
