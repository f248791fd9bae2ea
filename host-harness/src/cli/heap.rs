//! What the allocator of the system keeps.

/// One arena for all threads, where glibc gives each of them one of its own and gives none back: what is freed in one cannot be
/// used in another. It is the difference between 88 and 74 MiB after a million events (`examples/memory.rs`).
///
/// Before the first thread is started.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code, reason = "no crate wraps mallopt; it takes two numbers and sets one of the allocator's")]
pub(super) fn one_arena() {
    // SAFETY: mallopt may be called at any time, and no pointer is involved. If it refuses, all is as it was.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
}

/// Other allocators have no such thing.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn one_arena() {}
