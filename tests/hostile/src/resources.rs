//! Time, memory, stack and the log of the host.

use std::hint::black_box;

use crate::Said;
use crate::bindings::siem::plugin::host;
use crate::bindings::wasi::clocks::monotonic_clock;

/// A loop that calls nothing.
pub(crate) fn endless() -> Said {
    let mut count = 0_u64;
    while count != u64::MAX {
        count = black_box(count).wrapping_add(2);
        count &= !1;
    }
    Ok(count.to_string())
}

/// A loop that only asks the host something.
pub(crate) fn endless_on_the_host() -> Said {
    let mut count = 0_u64;
    while count != u64::MAX {
        count = count.wrapping_add(2 + u64::from(host::stopping()) * 2);
        count &= !1;
    }
    Ok(count.to_string())
}

/// Waits for a hundred years.
pub(crate) fn sleep() -> Said {
    monotonic_clock::subscribe_duration(3_153_600_000_000_000_000).block();
    Ok("woke up".to_owned())
}

/// Takes memory until there is no more.
pub(crate) fn memory() -> Said {
    let mut taken = Vec::new();
    loop {
        taken.push(vec![1_u8; 16 << 20]);
        black_box(&taken);
    }
}

/// Calls itself without end.
#[allow(unconditional_recursion, reason = "that is what it is for")]
pub(crate) fn recursion(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    recursion(depth + 1) + frame[0] + black_box(1)
}

/// Prints so much to standard error and output.
pub(crate) fn print(mebibytes: usize) -> Said {
    let line = "x".repeat(1023);
    for _ in 0..mebibytes * 512 {
        eprintln!("{line}");
        println!("{line}");
    }
    Ok("printed".to_owned())
}

/// Writes so many lines into the host's log, with what breaks a line and a screen.
pub(crate) fn log(count: usize) -> Said {
    let field = ("a\nb".to_owned(), "\u{1b}[2J".repeat(10_000));
    let fields = vec![field; 20];
    for number in 0..count {
        host::log(host::Level::Warn, "flood\n", &format!("line {number}\r\nerror: forged [forged]"), &fields);
    }
    Ok("logged".to_owned())
}
