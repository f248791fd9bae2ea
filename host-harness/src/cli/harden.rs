//! What the system can be told about a process that holds tokens.

/// From now on a crash of this process leaves no image of its memory, and no other process of the same account can look into it.
/// Where the system refuses there is nothing to be done about it here, and nothing depends on it.
pub(super) fn no_dumps() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    }
    // A program that takes dumps over from the kernel is not bound by the limit, and by this it is.
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}
