//! What the exports without arguments do, written into the component by the test that loads it; or said by a setting, where
//! tenants of one plugin are to differ.

use crate::bindings::siem::plugin::settings;

/// Found in the component by its first part; what follows, up to the first blank, is the mode.
static MODE: [u8; 64] = *b"HOSTILE-MODE:none                                               ";

/// The mode that leaves it to the tenant, and the setting in which that says its mode. The host reads it as a text of any kind.
const AS_SET: &str = "as-set";
const SETTING: &str = "message_text";

/// The mode.
pub(crate) fn get() -> String {
    let mode = written();
    if mode != AS_SET {
        return mode.to_owned();
    }
    settings::all().into_iter().find(|(name, _)| name == SETTING).map(|(_, mode)| mode).unwrap_or_default()
}

fn written() -> &'static str {
    // Else the compiler would answer from what stands there now.
    let mode: &'static [u8; 64] = std::hint::black_box(&MODE);
    let text = std::str::from_utf8(mode).unwrap_or_default();
    text.split_once(':').map_or("", |(_, mode)| mode).trim_end()
}

/// Whether it is this one.
pub(crate) fn is(mode: &str) -> bool {
    get() == mode
}

/// Breaks off or never returns from this export, if that is the mode.
#[allow(clippy::panic, reason = "that is what it is for")]
pub(crate) fn obey(export: &str) {
    let mode = get();
    if mode.strip_prefix("trap-in-") == Some(export) {
        trap();
    }
    if mode.strip_prefix("loop-in-") == Some(export) {
        crate::resources::endless().ok();
    }
    if mode.strip_prefix("panic-in-") == Some(export) {
        panic!("on purpose\nerror: forged [forged]");
    }
}

/// Breaks off.
pub(crate) fn trap() -> ! {
    core::arch::wasm32::unreachable()
}
