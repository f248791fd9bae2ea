//! Time, memory, stack, and the host's log and disk.

use host_harness::runtime::RuntimeError;

use crate::support::Machine;

#[tokio::test]
async fn what_never_returns_is_ended_in_time() {
    for name in ["loop", "loop-on-host", "sleep"] {
        let machine = Machine::start().await;
        let error = machine.is_ended(name, &[]).await;
        assert!(matches!(error, RuntimeError::Deadline { .. }), "{name}: {error}");
    }
}

#[tokio::test]
async fn a_loop_keeps_nobody_waiting() {
    let machine = Machine::start().await;
    let goes_on = async {
        // Within the time of the loop, on the one thread of this test.
        for _ in 0..3 {
            let found = machine.neighbour.list_commands().await.unwrap();
            assert!(found.is_empty());
        }
    };
    let began = std::time::Instant::now();
    let (ended, after) = tokio::join!(machine.run("loop", &[]), async {
        goes_on.await;
        began.elapsed()
    });
    assert!(matches!(ended, Err(RuntimeError::Deadline { .. })));
    assert!(after < began.elapsed(), "the neighbour's calls were over first");
}

#[tokio::test]
async fn memory_ends_where_it_is_limited() {
    let machine = Machine::start().await;
    let error = machine.is_ended("memory", &[]).await;
    assert!(matches!(error, RuntimeError::Memory { mebibytes: 128, .. }), "{error}");
}

#[tokio::test]
async fn a_stack_that_overflows_ends_the_call() {
    let machine = Machine::start().await;
    let error = machine.is_ended("recursion", &[]).await;
    assert!(matches!(error, RuntimeError::Trap { .. }), "{error}");
}

#[tokio::test]
async fn a_gigabyte_of_print_is_some_lines() {
    let machine = Machine::start().await;
    // It may be ended before it is through; either way the log stays small.
    let _ = machine.run("print", &[("mebibytes", "1024")]).await;
    machine.goes_on().await;
    let printed = machine.log.lines().iter().filter(|line| line.code.starts_with("plugin-std")).count();
    assert_eq!(printed, 200);
    assert!(machine.told("lines-left-out").text.contains("more lines"));
}

#[tokio::test]
async fn a_flood_of_log_lines_is_some_lines_and_none_of_them_is_forged() {
    let machine = Machine::start().await;
    machine.run("log", &[("count", "2000")]).await.unwrap();
    machine.goes_on().await;
    assert!(machine.told("lines-left-out").text.contains("1800 more lines"));
    for line in machine.log.lines() {
        let line = line.to_string();
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert!(line.len() < 60_000, "{}", line.len());
    }
}

#[tokio::test]
async fn a_text_without_end_is_not_taken() {
    let machine = Machine::start().await;
    let error = machine.is_ended("text", &[("bytes", "50000000")]).await;
    assert!(matches!(error, RuntimeError::Unsound { .. }), "{error}");
}
