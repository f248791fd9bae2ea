//! What comes back from a disk: a last-run, and the file of settings.

#[cfg(feature = "host")]
use std::path::Path;

use cisco_webex_plugin::last_run::{Kept, LastRun, Stored};
use cisco_webex_plugin::settings::Settings;
use cisco_webex_plugin::stream::Stream;
#[cfg(feature = "host")]
use host_harness::config::Config;

use crate::NOW;

fn settings() -> Option<Settings> {
    let pairs = [
        ("admin_credentials", "C1"),
        ("compliance_officer_credentials", "C2"),
        ("fetch_security_audit_events", "true"),
    ];
    Settings::parse(pairs.map(|(name, value)| (name.to_owned(), value.to_owned()))).ok()
}

/// The head, then parts: name and body, each ended by a zero byte. What is taken can be worked with, and is the same once it was
/// written and read.
pub(crate) fn last_run(bytes: &[u8]) {
    let Some(settings) = settings() else { return };
    let mut texts = bytes.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned());
    let head = texts.next().unwrap_or_default();
    let mut parts = Vec::new();
    while let Some((name, text)) = texts.next().zip(texts.next()) {
        parts.push((name, Some(text)));
    }
    let read = |stored| LastRun::read(Some(stored), &settings, NOW, [7; 16]).and_then(LastRun::checked);
    let Ok(mut last_run) = read(Stored { head, parts, kept: Kept::default() }) else { return };
    for stream in Stream::ALL {
        last_run.prepare(stream, &settings, NOW);
    }
    for state in last_run.streams.values_mut() {
        assert!(state.watermark() <= state.frontier());
        state.forget(settings.overlap, settings.remember);
    }
    match read(last_run.clone().write()) {
        Ok(again) => assert_eq!(again.write(), last_run.write()),
        Err(error) => assert!(error.to_string().is_empty(), "{error}"),
    }
}

/// A file is read or refused in one line that says where.
#[cfg(feature = "host")]
pub(crate) fn webex_toml(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    // Files that it names are another matter, and a fuzzer would name devices.
    if text.contains("file") {
        return;
    }
    if let Err(error) = Config::parse(&text, Path::new("/nowhere/webex.toml")) {
        let error = host_harness::log::plain(&error.to_string());
        assert!(error.starts_with("/nowhere/webex.toml"), "says where: {error}");
    }
}
