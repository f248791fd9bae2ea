//! Lines for the operator: what the plugin logs, what the host refuses, what a cycle came to.
//!
//! A line holds no secret and no event's body: that is the writer's duty. What a line can never do is to break the screen:
//! control characters are taken out and its length is bounded here.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::MultiProgress;

/// Characters of a text or field that reach a line; a plugin must not flood the log.
const MAX_TEXT_CHARS: usize = 2_000;
/// Lines that [`Log::memory`] keeps.
const MAX_KEPT_LINES: usize = 10_000;

/// How much a line matters, from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For whoever looks for a fault.
    Debug,
    /// What goes on.
    Info,
    /// Something a person should know.
    Warn,
    /// Something a person must act on.
    Error,
}

/// One line before it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// How much it matters.
    pub level: Level,
    /// Stable name of what happened.
    pub code: String,
    /// What happened, for a person.
    pub text: String,
    /// Names and values.
    pub fields: Vec<(String, String)>,
}

/// Where lines go. Clones write to the same place.
#[derive(Clone)]
pub struct Log(Arc<Output>);

enum Output {
    Silent,
    Memory(Mutex<Vec<Line>>),
    Screen { least: Level, bars: Option<MultiProgress> },
}

impl Log {
    /// Nowhere.
    pub fn silent() -> Self {
        Self(Arc::new(Output::Silent))
    }

    /// Kept, for tests; the first ten thousand lines.
    pub fn memory() -> Self {
        Self(Arc::new(Output::Memory(Mutex::new(Vec::new()))))
    }

    /// To standard error, from `least` on; above `bars`, if there are any.
    pub fn screen(least: Level, bars: Option<MultiProgress>) -> Self {
        Self(Arc::new(Output::Screen { least, bars }))
    }

    /// Writes a line.
    pub fn write(&self, level: Level, code: &str, text: &str, fields: &[(String, String)]) {
        let line = || Line {
            level,
            code: plain(code),
            text: plain(text),
            fields: fields.iter().map(|(name, value)| (plain(name), plain(value))).collect(),
        };
        match &*self.0 {
            Output::Silent => {}
            Output::Memory(lines) => {
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                if lines.len() < MAX_KEPT_LINES {
                    lines.push(line());
                }
            }
            Output::Screen { least, .. } if level < *least => {}
            Output::Screen { bars: Some(bars), .. } => bars.suspend(|| eprintln!("{}", line())),
            Output::Screen { bars: None, .. } => eprintln!("{}", line()),
        }
    }

    /// What [`Log::memory`] has kept; else nothing.
    pub fn lines(&self) -> Vec<Line> {
        match &*self.0 {
            Output::Memory(lines) => lines.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            Output::Silent | Output::Screen { .. } => Vec::new(),
        }
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &*self.0 {
            Output::Silent => "Log(silent)",
            Output::Memory(_) => "Log(memory)",
            Output::Screen { .. } => "Log(screen)",
        })
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        write!(f, "{level}: {} [{}]", self.text, self.code)?;
        self.fields.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

/// `text` as one line that a terminal shows and does not obey, cut at a bounded length.
pub fn plain(text: &str) -> String {
    let mut line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_TEXT_CHARS).collect();
    line.truncate(line.trim_end().len());
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_cannot_carry_terminal_codes_or_further_lines() {
        let log = Log::memory();
        log.write(Level::Warn, "x", "one\u{1b}[31m\ntwo", &[("n".into(), "a\r\nb".into())]);
        assert_eq!(
            log.lines(),
            [Line {
                level: Level::Warn,
                code: "x".into(),
                text: "one [31m two".into(),
                fields: vec![("n".into(), "a  b".into())]
            }]
        );
    }

    #[test]
    fn a_flood_is_cut() {
        assert_eq!(plain(&"x".repeat(5_000)).len(), MAX_TEXT_CHARS);
    }
}
