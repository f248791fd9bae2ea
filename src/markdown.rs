//! Markdown for people, safe whatever Webex says: a value stays a value.

/// Longest text of a cell, in characters: wide enough for an id, narrow enough for a table.
const MAX_CELL: usize = 200;

/// A table, or a sentence if it has no rows. `head` is our own text; cells are escaped.
pub fn table(head: &[&str], rows: &[Vec<String>], none: &str) -> String {
    if rows.is_empty() {
        return format!("{none}\n");
    }
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = line(head.iter().map(|cell| (*cell).to_owned()).collect());
    text += &line(head.iter().map(|_| "---".to_owned()).collect());
    for row in rows {
        text += &line(row.iter().map(|cell| escape(cell)).collect());
    }
    text
}

/// The text so that it is shown as it is, on one line: no table cells, links, pictures, HTML, emphasis or code begin in it.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut chars = text.chars().map(plain).take(MAX_CELL).peekable();
    let mut before = ' ';
    while let Some(c) = chars.next() {
        let inside_word = before.is_alphanumeric() && chars.peek().is_some_and(|next| next.is_alphanumeric());
        let is_syntax = match c {
            '\\' | '|' | '`' | '*' | '<' | '>' | '[' | ']' | '&' | '~' => true,
            '_' => !inside_word,
            // Addresses become links by themselves: at `://` and after `www`.
            ':' => chars.peek() == Some(&'/'),
            '.' => escaped.to_ascii_lowercase().ends_with("www"),
            _ => false,
        };
        if is_syntax {
            escaped.push('\\');
        }
        escaped.push(c);
        before = c;
    }
    if text.chars().nth(MAX_CELL).is_some() {
        escaped.push('…');
    }
    escaped
}

/// The text as code within a line.
pub fn code(text: &str) -> String {
    let text: String = text.chars().map(plain).collect();
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest + 1);
    // A fence must not touch a backtick of the text.
    let space = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{space}{text}{space}{fence}")
}

/// A block of text as it is.
pub fn block(language: &str, text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}{language}\n{text}\n{fence}\n")
}

/// Line breaks and control characters as spaces; what turns the direction of writing as a mark that can be seen.
fn plain(c: char) -> char {
    match c {
        '\u{2028}' | '\u{2029}' => ' ',
        '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => '\u{FFFD}',
        c if c.is_control() => ' ',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: &str) {
        assert_eq!(escape(text), want, "{text}");
    }

    #[test]
    fn code_is_closed_by_its_own_fence_only() {
        assert_eq!(code("http://127.0.0.1/callback"), "`http://127.0.0.1/callback`");
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("`a``"), "``` `a`` ```");
    }

    #[test]
    fn a_value_begins_no_markdown() {
        check("a|b\r\nc\\", "a\\|b  c\\\\");
        check("[x](https://evil.example)", "\\[x\\](https\\://evil.example)");
        check("![x](www.evil.example)", "!\\[x\\](www\\.evil.example)");
        check("<img src=x>&amp;", "\\<img src=x\\>\\&amp;");
        check("_a_ b_c *d* `e` ~~f~~", "\\_a\\_ b_c \\*d\\* \\`e\\` \\~\\~f\\~\\~");
        check("2026-01-02T00:00:00.000Z audit:events_read", "2026-01-02T00:00:00.000Z audit:events_read");
        check("a\u{202E}b", "a\u{FFFD}b");
        assert_eq!(escape(&"x".repeat(300)).chars().count(), MAX_CELL + 1);
    }

    #[test]
    fn a_table_has_a_row_for_each_value() {
        let rows = [vec!["1".to_owned(), "a|b".to_owned()]];
        assert_eq!(table(&["n", "text"], &rows, "none"), "| n | text |\n| --- | --- |\n| 1 | a\\|b |\n");
        assert_eq!(table(&["n"], &[], "nothing there"), "nothing there\n");
    }

    #[test]
    fn a_block_ends_where_its_text_ends() {
        assert_eq!(block("json", "{}"), "```json\n{}\n```\n");
        assert_eq!(block("", "a ```` b"), "`````\na ```` b\n`````\n");
    }

    proptest::proptest! {
        #[test]
        fn a_cell_is_one_cell(text in ".*") {
            let escaped = escape(&text);
            proptest::prop_assert!(!escaped.contains(['\n', '\r']));
            // Every bar stands after an odd number of backslashes.
            for (at, _) in escaped.match_indices('|') {
                let slashes = escaped[..at].chars().rev().take_while(|c| *c == '\\').count();
                proptest::prop_assert_eq!(slashes % 2, 1);
            }
        }
    }
}
