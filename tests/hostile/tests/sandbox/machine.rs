//! The machine itself: files, environment, sockets, the process.

use crate::support::{Machine, WITH_SOCKETS, runtime};

#[tokio::test]
async fn there_are_no_files() {
    let machine = Machine::start().await;
    machine.is_refused("files", &[], "no files").await;
    assert!(!std::path::Path::new("/tmp/hostile-was-here").exists());
}

#[tokio::test]
async fn there_is_no_environment_and_there_are_no_arguments() {
    Machine::start().await.is_refused("environment", &[], "nothing").await;
}

#[tokio::test]
async fn a_component_that_wants_sockets_is_not_loaded() {
    let error = runtime().load(WITH_SOCKETS).err().unwrap().to_string();
    assert!(error.contains("wasi:sockets"), "{error}");
}

#[tokio::test]
async fn to_exit_ends_the_call_and_not_the_host() {
    let machine = Machine::start().await;
    machine.is_ended("exit", &[]).await;
}
