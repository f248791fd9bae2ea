//! The plugin's Markdown on a terminal: tables are laid out to its width, all other lines stay.
//!
//! A column that is wider than its share is wrapped. Where the columns would become too narrow to be read, each row is shown on
//! lines of its own, a cell below the name of its column.

use console::{Style, measure_text_width};

/// Between two columns.
const BETWEEN: &str = "  ";
/// A column that is wrapped is not made narrower than this.
const NARROWEST: usize = 10;

/// The text with its tables laid out in at most so many columns. `heading`: the look of a column's name.
pub(super) fn fit(markdown: &str, width: usize, heading: &Style) -> String {
    let mut text = String::new();
    let mut lines = markdown.lines().peekable();
    let mut fence: Option<String> = None;
    while let Some(line) = lines.next() {
        let begins = line.chars().take_while(|c| *c == '`').collect::<String>();
        match &fence {
            Some(open) if line.trim() == open => fence = None,
            None if begins.len() >= 3 => fence = Some(begins),
            Some(_) | None => {}
        }
        let head = cells(line).filter(|_| fence.is_none());
        let rule = lines.peek().and_then(|next| cells(next)).filter(|rule| is_rule(rule));
        match (head, rule) {
            (Some(head), Some(rule)) if head.len() == rule.len() => {
                lines.next();
                let mut rows = Vec::new();
                while let Some(mut row) = lines.peek().and_then(|line| cells(line)) {
                    row.resize(row.len().max(head.len()), String::new());
                    rows.push(row);
                    lines.next();
                }
                text.push_str(&laid_out(&head, &rows, width.max(1), heading));
            }
            _ => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}

/// The cells of a line of a table, as they are meant to be read; none if it is not one.
fn cells(line: &str) -> Option<Vec<String>> {
    let inside = line.trim().strip_prefix('|')?;
    let (mut cells, mut cell) = (Vec::new(), String::new());
    let mut chars = inside.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => cell.push(chars.next_if(char::is_ascii_punctuation).unwrap_or('\\')),
            '|' => cells.push(std::mem::take(&mut cell).trim().to_owned()),
            c => cell.push(c),
        }
    }
    // Behind the last sign stands nothing, or a cell without its sign.
    if !cell.trim().is_empty() {
        cells.push(cell.trim().to_owned());
    }
    (!cells.is_empty()).then_some(cells)
}

/// `| --- | :-: |`.
fn is_rule(cells: &[String]) -> bool {
    cells.iter().all(|cell| cell.contains('-') && cell.chars().all(|c| matches!(c, '-' | ':')))
}

fn laid_out(head: &[String], rows: &[Vec<String>], width: usize, heading: &Style) -> String {
    let columns = rows.iter().map(Vec::len).chain([head.len()]).max().unwrap_or(0);
    let cell = |row: &'_ [String], column: usize| row.get(column).cloned().unwrap_or_default();
    let natural = |column| {
        let all = rows.iter().map(Vec::as_slice).chain([head]);
        all.map(|row| measure_text_width(&cell(row, column))).max().unwrap_or(0)
    };
    let natural: Vec<usize> = (0..columns).map(natural).collect();
    let room = width.saturating_sub(BETWEEN.len() * columns.saturating_sub(1));
    let Some(widths) = shares(&natural, room) else { return row_by_row(head, rows, width, heading) };
    let lines = |row: &[String], style: &Style| -> Vec<String> {
        let wrapped: Vec<Vec<String>> =
            widths.iter().enumerate().map(|(column, width)| wrap(&cell(row, column), *width)).collect();
        let height = wrapped.iter().map(Vec::len).max().unwrap_or(0);
        let line = |at: usize| {
            let parts = wrapped.iter().zip(&widths).map(|(cell, width)| padded(cell.get(at), *width, style));
            parts.collect::<Vec<_>>().join(BETWEEN).trim_end().to_owned()
        };
        (0..height).map(line).collect()
    };
    let mut all = lines(head, heading);
    all.push(widths.iter().map(|width| "─".repeat(*width)).collect::<Vec<_>>().join(BETWEEN));
    let rows: Vec<Vec<String>> = rows.iter().map(|row| lines(row, &Style::new())).collect();
    // Where rows take several lines, it must be seen where the next one begins.
    let are_tall = rows.iter().any(|row| row.len() > 1);
    for (number, row) in rows.into_iter().enumerate() {
        if are_tall && number > 0 {
            all.push(String::new());
        }
        all.extend(row);
    }
    all.into_iter().map(|line| line + "\n").collect()
}

/// The widths of columns that want so much and have this room together: those that want less than an equal share get what they want,
/// and the others share the rest. None if that is too little to read.
fn shares(natural: &[usize], room: usize) -> Option<Vec<usize>> {
    let mut share = room;
    let (mut left, mut wide) = (room, natural.len());
    let mut sorted = natural.to_vec();
    sorted.sort_unstable();
    for want in sorted {
        share = left.checked_div(wide)?;
        if want > share {
            return (share >= NARROWEST).then(|| natural.iter().map(|want| (*want).min(share)).collect());
        }
        left -= want;
        wide -= 1;
    }
    Some(natural.iter().map(|want| (*want).min(share.max(*want))).collect())
}

/// Each cell below the name of its column.
fn row_by_row(head: &[String], rows: &[Vec<String>], width: usize, heading: &Style) -> String {
    let indent = if width > 4 { "  " } else { "" };
    let mut text = String::new();
    let mut add = |line: String| {
        text.push_str(line.trim_end());
        text.push('\n');
    };
    if rows.is_empty() {
        head.iter().flat_map(|name| wrap(name, width)).for_each(&mut add);
    }
    for (number, row) in rows.iter().enumerate() {
        if number > 0 {
            add(String::new());
        }
        for (column, cell) in row.iter().enumerate() {
            let name = head.get(column).map_or("", String::as_str);
            wrap(name, width).into_iter().for_each(|line| add(heading.apply_to(line).to_string()));
            wrap(cell, width - indent.len()).into_iter().for_each(|line| add(format!("{indent}{line}")));
        }
    }
    text
}

fn padded(text: Option<&String>, width: usize, style: &Style) -> String {
    let text = text.map_or("", String::as_str);
    let blanks = " ".repeat(width.saturating_sub(measure_text_width(text)));
    if text.is_empty() { blanks } else { format!("{}{blanks}", style.apply_to(text)) }
}

/// Lines of at most so many columns, cut at blanks where there are any; one line, if it is empty. A sign that is wider than that stands
/// alone.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let with = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        if measure_text_width(&with) <= width {
            line = with;
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for c in word.chars() {
            line.push(c);
            if measure_text_width(&line) > width && line.chars().nth(1).is_some() {
                line.pop();
                lines.push(std::mem::replace(&mut line, c.to_string()));
            }
        }
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(markdown: &str, width: usize) -> String {
        fit(markdown, width, &Style::new())
    }

    const TABLE: &str = "**Status**\n\n| stream | stands |\n| --- | --- |\n| events | complete up to today \\| or not |\n\
                         | admin\\_audits | a \\*b\\* |\n\nThat is `all | of` it.\n";

    #[test]
    fn a_table_that_fits_has_its_columns_side_by_side_and_other_lines_stay() {
        let want = "**Status**\n\n\
                    stream        stands\n\
                    ────────────  ─────────────────────────────\n\
                    events        complete up to today | or not\n\
                    admin_audits  a *b*\n\n\
                    That is `all | of` it.\n";
        assert_eq!(plain(TABLE, 80), want);
    }

    #[test]
    fn what_does_not_fit_is_wrapped_and_rows_stay_apart() {
        let want = "**Status**\n\n\
                    stream        stands\n\
                    ────────────  ────────────────\n\
                    events        complete up to\n\
                    \x20             today | or not\n\n\
                    admin_audits  a *b*\n\n\
                    That is `all | of` it.\n";
        assert_eq!(plain(TABLE, 30), want);
    }

    #[test]
    fn where_columns_would_be_too_narrow_each_cell_stands_below_the_name_of_its_column() {
        let want =
            "stream\n  events\nstands\n  complete up to\n  today | or not\n\nstream\n  admin_audits\nstands\n  a *b*\n";
        assert!(plain(TABLE, 18).contains(want), "{}", plain(TABLE, 18));
    }

    #[test]
    fn a_block_of_code_and_a_line_with_signs_are_no_tables() {
        for text in
            ["```\n| a | b |\n| --- | --- |\n```\n", "| a | b |\n", "a | b\n--- | ---\n", "| a |\n| --- | --- |\n"]
        {
            assert_eq!(plain(text, 5), text);
        }
    }

    #[test]
    fn a_word_that_is_too_long_is_cut_where_the_line_ends() {
        assert_eq!(wrap("ab 漢字漢字 cdefghi", 5), ["ab", "漢字", "漢字", "cdefg", "hi"]);
        assert_eq!(wrap("", 5), [""]);
        assert_eq!(wrap("漢", 1), ["漢"], "a sign that is wider than the terminal");
    }

    /// What is read of a text, but for blanks, which are where lines are cut.
    fn letters(text: &str) -> Vec<char> {
        let mut letters: Vec<char> = text.chars().filter(|c| !c.is_whitespace() && *c != '─').collect();
        letters.sort_unstable();
        letters
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_terminal_and_no_text_is_lost(
            width in 2_usize..150,
            head in proptest::collection::vec("[a-zà-ý漢 ]{1,12}", 1..6),
            cells in proptest::collection::vec("[a-z0-9A-Z.:_漢字é ]{0,60}", 0..24),
        ) {
            let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
            let rule = vec!["---".to_owned(); head.len()];
            let mut rows: Vec<Vec<String>> = cells.chunks(head.len()).map(<[String]>::to_vec).collect();
            rows.iter_mut().for_each(|row| row.resize(head.len(), String::new()));
            let markdown = line(&head) + &line(&rule) + &rows.iter().map(|row| line(row)).collect::<String>();
            let shown = plain(&markdown, width);
            for line in shown.lines() {
                prop_assert!(measure_text_width(line) <= width, "{} > {width}: {line}", measure_text_width(line));
            }
            let shown = letters(&shown);
            for text in head.iter().chain(rows.iter().flatten()) {
                let missing = letters(text).into_iter().find(|letter| !shown.contains(letter));
                prop_assert_eq!(missing, None);
            }
            let in_rows = letters(&rows.concat().concat()).len();
            prop_assert!(shown.len() >= in_rows, "{} of {in_rows}", shown.len());
        }
    }
}
