//! What the system says of this process, by the names that Prometheus's own clients use. Where there is no `/proc`, nothing.

/// Numbers of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Process {
    /// Bytes in memory.
    pub(super) resident: Option<f64>,
    /// Open files.
    pub(super) files: Option<f64>,
    /// Seconds of CPU, of user and system.
    pub(super) cpu: Option<f64>,
}

#[cfg(target_os = "linux")]
impl Process {
    pub(super) fn now() -> Self {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // The name, in brackets, may hold blanks (proc(5)); utime and stime are the 12th and 13th behind it, rss the 22nd.
        let fields: Vec<&str> =
            stat.rsplit_once(')').map(|(_, fields)| fields.split_whitespace().collect()).unwrap_or_default();
        let number = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok());
        let ticks = number(11).zip(number(12)).map(|(user, system)| user + system);
        let per_second = rustix::param::clock_ticks_per_second() as f64;
        Self {
            resident: number(21).map(|pages| pages * rustix::param::page_size() as f64),
            files: std::fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as f64),
            cpu: ticks.map(|ticks| ticks / per_second),
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Process {
    pub(super) fn now() -> Self {
        Self::default()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_system_says_what_this_process_uses() {
        let process = Process::now();
        assert!(process.resident.is_some_and(|bytes| bytes > 1_000_000.0), "{process:?}");
        assert!(process.files.is_some_and(|files| files >= 3.0), "{process:?}");
        assert!(process.cpu.is_some_and(|seconds| seconds < 10_000.0), "{process:?}");
    }
}
