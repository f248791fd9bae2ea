//! Secrets of others, names with paths, and values without end.

use host_harness::log::Log;
use host_harness::secrets::{KeySource, Store};
use wiremock::MockServer;

use crate::support::{CANARIES, Machine, open};

#[tokio::test]
async fn only_names_of_the_description_are_secrets_of_the_plugin() {
    for name in ["admin_refresh_token", "", "OWN", "own ", "own\0", "../own", "neighbour/own", "password\n", "*"] {
        let machine = Machine::start().await;
        machine.is_refused("read-secret", &[("name", name)], "denied").await;
        machine.told("secret-denied");
    }
}

#[tokio::test]
async fn the_same_name_is_not_the_neighbours_secret() {
    let machine = Machine::start().await;
    assert_eq!(machine.run("read-secret", &[("name", "own")]).await.unwrap(), "none");
    machine.run("write-secret", &[("name", "own"), ("bytes", "5")]).await.unwrap();
    assert_eq!(machine.run("read-secret", &[("name", "own")]).await.unwrap(), "value sssss");
    machine.goes_on().await;
}

#[tokio::test]
async fn what_a_person_has_configured_is_read_and_not_written() {
    let machine = Machine::start().await;
    let said = machine.run("read-secret", &[("name", "password")]).await.unwrap();
    assert_eq!(said, format!("value {}", CANARIES[1]));
    machine.is_refused("write-secret", &[("name", "password"), ("bytes", "5")], "denied").await;
    machine.told("secret-denied");
}

#[tokio::test]
async fn a_value_without_end_is_refused() {
    let machine = Machine::start().await;
    assert_eq!(machine.run("write-secret", &[("name", "own"), ("bytes", "65536")]).await.unwrap(), "written");
    for bytes in ["65537", "50000000"] {
        machine.is_refused("write-secret", &[("name", "own"), ("bytes", bytes)], "denied").await;
    }
    let kept = machine.tenant.secrets().get("own").await.unwrap().unwrap();
    assert_eq!(kept.value.expose().len(), 65_536, "what was kept stays");
}

#[tokio::test]
async fn names_with_paths_and_thousands_of_names_are_no_description() {
    let folder = tempfile::tempdir().unwrap();
    let server = MockServer::start().await;
    for mode in ["secret-with-a-path", "thousands-of-secrets"] {
        let store = Store::file(&folder.path().join("state"), KeySource::File(folder.path().join("key"))).unwrap();
        let error = open(mode, "hostile-tenant", &Log::memory(), &server, store).await.err().unwrap();
        assert!(error.to_string().contains("`describe` names something"), "{error}");
    }
    assert!(!folder.path().join("webex-state.key").exists());
}
