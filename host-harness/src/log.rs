//! Lines for the operator: what the plugin logs, what the host refuses, what a cycle came to.
//!
//! A line holds no secret and no event's body: that is the writer's duty, and values that are known to be secret are taken out
//! here all the same. What a line can never do is to break the screen: control characters are taken out and its length is
//! bounded here. Neither can a plugin fill a disk with lines: what it causes goes through [`Log::rationed`].

mod line;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::MultiProgress;

pub(crate) use line::to_standard_error;
pub use line::{Form, Level, Line};

use crate::redaction;
use crate::runtime::Clock;

/// Characters of a text or field that reach a line; a plugin must not flood the log.
const MAX_TEXT_CHARS: usize = 2_000;
/// Fields that reach a line, likewise.
const MAX_FIELDS: usize = 20;
/// Lines that [`Log::memory`] keeps.
const MAX_KEPT_LINES: usize = 10_000;
/// Lines that one call of a plugin can cause; the plugin of this project writes a dozen.
const RATION: u64 = 200;

/// Where lines go, and whose they are. Clones write to the same place.
#[derive(Clone)]
pub struct Log {
    output: Arc<Output>,
    tenant: Option<Arc<str>>,
    ration: Option<Arc<Ration>>,
}

/// How many lines may still be written, and how many were not.
struct Ration {
    left: AtomicU64,
    dropped: AtomicU64,
    /// Lines that are written once.
    told: Mutex<BTreeSet<String>>,
}

enum Output {
    Silent,
    Memory(Mutex<Vec<Line>>),
    Screen { least: Level, bars: Option<MultiProgress>, form: Form },
}

impl Log {
    /// Nowhere.
    pub fn silent() -> Self {
        Self::to(Output::Silent)
    }

    /// Kept, for tests; the first ten thousand lines.
    pub fn memory() -> Self {
        Self::to(Output::Memory(Mutex::new(Vec::new())))
    }

    /// To standard error, from `least` on; above `bars`, if there are any.
    pub fn screen(least: Level, bars: Option<MultiProgress>, form: Form) -> Self {
        Self::to(Output::Screen { least, bars, form })
    }

    fn to(output: Output) -> Self {
        Self { output: Arc::new(output), tenant: None, ration: None }
    }

    /// The same place, for lines that say whose they are.
    #[must_use]
    pub fn of_tenant(&self, name: &str) -> Self {
        Self { tenant: Some(name.into()), ..self.clone() }
    }

    /// The same place, for what a plugin causes: so many lines until it is [renewed](Self::renew), the rest is counted.
    #[must_use]
    pub fn rationed(&self) -> Self {
        let ration = Ration { left: AtomicU64::new(RATION), dropped: AtomicU64::new(0), told: Mutex::default() };
        Self { ration: Some(Arc::new(ration)), ..self.clone() }
    }

    /// Gives a new ration, and says what did not fit the one before.
    pub fn renew(&self) {
        let Some(ration) = &self.ration else { return };
        ration.left.store(RATION, Ordering::Relaxed);
        ration.told.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let dropped = ration.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            let text = format!("a call of the plugin caused {dropped} more lines, which are left out");
            self.put(Level::Warn, "lines-left-out", &text, &[]);
        }
    }

    /// Writes a line.
    pub fn write(&self, level: Level, code: &str, text: &str, fields: &[(String, String)]) {
        // What nobody sees takes nothing of what may be seen.
        if matches!(&*self.output, Output::Screen { least, .. } if level < *least) {
            return;
        }
        if let Some(ration) = &self.ration
            && ration.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err()
        {
            ration.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.put(level, code, text, fields);
    }

    /// Writes a line, of a plugin's ration only once: a refusal is told, and not each repetition of it.
    pub fn write_once(&self, level: Level, code: &str, text: &str, fields: &[(String, String)]) {
        if let Some(ration) = &self.ration {
            // As it is shown: a plugin may have put megabytes into a name.
            let shown: Vec<(String, String)> = fields.iter().map(|(name, value)| (plain(name), plain(value))).collect();
            let mut told = ration.told.lock().unwrap_or_else(PoisonError::into_inner);
            let is_full = told.len() as u64 >= RATION;
            if is_full || !told.insert(format!("{code} {shown:?}")) {
                ration.dropped.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
        self.write(level, code, text, fields);
    }

    fn put(&self, level: Level, code: &str, text: &str, fields: &[(String, String)]) {
        let tenant = self.tenant.as_deref().map(plain);
        // Cut last: a secret must not stick out of what is left.
        let plain = |text: &str| plain(&redaction::clean_beginning(text));
        let fields = fields.iter().take(MAX_FIELDS).map(|(name, value)| (plain(name), plain(value)));
        let line = || Line { level, code: plain(code), text: plain(text), tenant, fields: fields.collect() };
        match &*self.output {
            Output::Silent => {}
            Output::Memory(lines) => {
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                if lines.len() < MAX_KEPT_LINES {
                    lines.push(line());
                }
            }
            Output::Screen { bars, form, .. } => {
                let line = line().written(*form, Clock::System.now());
                match bars {
                    Some(bars) => bars.suspend(|| to_standard_error(&line)),
                    None => to_standard_error(&line),
                }
            }
        }
    }

    /// What [`Log::memory`] has kept; else nothing.
    pub fn lines(&self) -> Vec<Line> {
        match &*self.output {
            Output::Memory(lines) => lines.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            Output::Silent | Output::Screen { .. } => Vec::new(),
        }
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &*self.output {
            Output::Silent => "Log(silent)",
            Output::Memory(_) => "Log(memory)",
            Output::Screen { .. } => "Log(screen)",
        })
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
                tenant: None,
                fields: vec![("n".into(), "a  b".into())]
            }]
        );
    }

    #[test]
    fn a_flood_is_cut() {
        assert_eq!(plain(&"x".repeat(5_000)).len(), MAX_TEXT_CHARS);
        let log = Log::memory();
        log.write(Level::Info, "x", "x", &vec![(String::new(), String::new()); 1_000]);
        assert_eq!(log.lines().first().map(|line| line.fields.len()), Some(MAX_FIELDS));
    }

    #[test]
    fn what_a_plugin_causes_is_rationed_and_the_rest_is_counted() {
        let log = Log::memory();
        let of_plugin = log.rationed();
        for _ in 0..RATION + 5 {
            of_plugin.write(Level::Info, "x", "x", &[]);
        }
        log.write(Level::Info, "host", "the host's own lines are not counted", &[]);
        of_plugin.renew();
        of_plugin.write(Level::Info, "x", "x", &[]);
        let codes: Vec<String> = log.lines().into_iter().map(|line| line.code).collect();
        assert_eq!(codes.iter().filter(|code| *code == "x").count() as u64, RATION + 1);
        assert_eq!(
            codes.iter().filter(|code| !matches!(code.as_str(), "x")).collect::<Vec<_>>(),
            ["host", "lines-left-out"]
        );
        assert!(log.lines().iter().any(|line| line.text.contains("5 more lines")));
    }

    #[test]
    fn a_refusal_is_told_once_a_call() {
        let log = Log::memory();
        let of_plugin = log.rationed();
        for _ in 0..2 {
            for host in ["a", "b", "a", "a"] {
                of_plugin.write_once(Level::Warn, "request-denied", "x", &[("host".into(), host.into())]);
            }
            of_plugin.renew();
        }
        let codes: Vec<String> = log.lines().into_iter().map(|line| line.code).collect();
        let one_call = ["request-denied", "request-denied", "lines-left-out"];
        assert_eq!(codes, [one_call, one_call].concat());
    }

    #[test]
    fn a_line_says_whose_it_is() {
        let log = Log::memory();
        log.of_tenant("one").write(Level::Info, "x", "x", &[("n".into(), "v".into())]);
        assert_eq!(log.lines().first().map(ToString::to_string).as_deref(), Some("info: x [x] tenant=one n=v"));
    }
}
