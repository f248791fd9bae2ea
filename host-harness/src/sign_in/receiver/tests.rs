use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::sign_in::Links;

const STATE: &str = "fake-state-of-a-receiver";

/// A sign-in whose redirect URI leads to a free port of this machine.
async fn started(seconds: i64) -> (Started, u16) {
    // The port is free again when the receiver binds it; another test would have to be given it in between.
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap().port();
    let started = Started {
        url: String::new(),
        redirect_uri: format!("http://127.0.0.1:{port}/callback"),
        until: Utc::now() + chrono::TimeDelta::seconds(seconds),
        state: STATE.into(),
    };
    (started, port)
}

async fn send(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    // A request that is too large may meet a reset after its answer.
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

async fn get(port: u16, target: &str) -> String {
    send(port, &format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n")).await
}

fn page() -> Page {
    let completed = crate::sign_in::Completed {
        title: "admin".into(),
        account: None,
        org_id: None,
        readable: String::new(),
        findings: Vec::new(),
    };
    Page::signed_in(&completed, Links::default())
}

#[tokio::test]
async fn the_address_goes_to_the_caller_and_the_callers_page_to_the_browser() {
    let (started, port) = started(60).await;
    let mut receiver = Receiver::bind(&started).await.unwrap();
    let browser = tokio::spawn(async move { get(port, &format!("/callback?code=fake-code&state={STATE}")).await });
    let redirected = receiver.redirected().await.unwrap();
    assert_eq!(redirected.address().expose(), format!("http://127.0.0.1:{port}/callback?code=fake-code&state={STATE}"));
    assert!(!format!("{redirected:?}").contains("fake"), "{redirected:?}");
    redirected.answer(page());
    receiver.close().await;
    let shown = browser.await.unwrap();
    assert!(shown.starts_with("HTTP/1.1 200 OK\r\n") && shown.contains("The admin is signed in"), "{shown}");
    assert!(!shown.contains("fake-code") && !shown.contains(STATE), "{shown}");
}

#[tokio::test]
async fn a_refusal_with_the_right_state_goes_to_the_caller_too() {
    let (started, port) = started(60).await;
    let mut receiver = Receiver::bind(&started).await.unwrap();
    tokio::spawn(async move { get(port, &format!("/callback?error=access_denied&state={STATE}")).await });
    assert!(receiver.redirected().await.unwrap().address().expose().contains("error=access_denied"));
}

#[tokio::test]
async fn what_is_no_redirect_of_this_sign_in_is_answered_and_ends_nothing() {
    let (started, port) = started(60).await;
    let mut receiver = Receiver::bind(&started).await.unwrap();
    let host = format!("Host: 127.0.0.1:{port}");
    let good = format!("/callback?code=fake-code&state={STATE}");
    for (request, status) in [
        (format!("GET /favicon.ico HTTP/1.1\r\n{host}\r\n\r\n"), "404"),
        (format!("GET /callback/ HTTP/1.1\r\n{host}\r\n\r\n"), "404"),
        (format!("GET {good} HTTP/1.1\r\nHost: evil.example:{port}\r\n\r\n"), "421"),
        (format!("GET {good} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"), "421"),
        (format!("GET {good} HTTP/1.1\r\n\r\n"), "421"),
        (format!("GET {good} HTTP/1.1\r\n{host}\r\n{host}\r\n\r\n"), "421"),
        (format!("POST {good} HTTP/1.1\r\n{host}\r\nContent-Length: 0\r\n\r\n"), "405"),
        (format!("GET /callback HTTP/1.1\r\n{host}\r\n\r\n"), "400"),
        (format!("GET /callback?code=fake-code&state=other HTTP/1.1\r\n{host}\r\n\r\n"), "400"),
        (format!("GET /callback?code=fake-code&state={STATE}&state={STATE} HTTP/1.1\r\n{host}\r\n\r\n"), "400"),
        (format!("GET /callback?state={STATE} HTTP/1.1\r\n{host}\r\n\r\n"), "400"),
        (format!("GET /callback?error=access_denied HTTP/1.1\r\n{host}\r\n\r\n"), "400"),
        (format!("GET /callback?code={} HTTP/1.1\r\n{host}\r\n\r\n", "x".repeat(64 * 1024)), "4"),
    ] {
        let answer = send(port, &request).await;
        let line = request.lines().next().unwrap_or_default();
        // One that is too long may have its answer lost with the connection.
        let is_right = answer.starts_with(&format!("HTTP/1.1 {status}")) || (answer.is_empty() && status == "4");
        assert!(is_right, "{}: {answer}", line.get(..80.min(line.len())).unwrap_or_default());
        assert!(!answer.contains("fake-code") && !answer.contains(STATE), "{answer}");
    }
    let browser = tokio::spawn(async move { get(port, &good).await });
    receiver.redirected().await.unwrap().answer(page());
    assert!(browser.await.unwrap().contains("The admin is signed in"));
}

#[tokio::test]
async fn the_same_address_opened_twice_is_taken_once() {
    let (started, port) = started(60).await;
    let mut receiver = Receiver::bind(&started).await.unwrap();
    let good = format!("/callback?code=fake-code&state={STATE}");
    let target = good.clone();
    let first = tokio::spawn(async move { get(port, &target).await });
    let redirected = receiver.redirected().await.unwrap();
    let second = get(port, &good).await;
    redirected.answer(page());
    assert!(second.starts_with("HTTP/1.1 409"), "{second}");
    assert!(first.await.unwrap().contains("The admin is signed in"));
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_with_what_to_do() {
    let (started, _) = started(60).await;
    let first = Receiver::bind(&started).await.unwrap();
    let error = Receiver::bind(&started).await.unwrap_err();
    assert!(matches!(error, ReceiverError::Taken { .. }), "{error}");
    assert!(error.to_string().contains("sign in on its page"), "{error}");
    drop(first);
}

#[tokio::test]
async fn a_redirect_uri_elsewhere_cannot_be_waited_for() {
    let (mut started, _) = started(60).await;
    started.redirect_uri = "https://siem.example/callback".into();
    let error = Receiver::bind(&started).await.unwrap_err();
    assert!(error.to_string().contains("paste the address"), "{error}");
}

#[tokio::test]
async fn the_wait_ends_with_the_sign_in_and_the_port_with_the_receiver() {
    let (started, port) = started(0).await;
    let mut receiver = Receiver::bind(&started).await.unwrap();
    assert!(matches!(receiver.redirected().await.unwrap_err(), ReceiverError::Expired));
    receiver.close().await;
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err());
}

#[tokio::test]
async fn an_address_that_its_caller_drops_is_answered() {
    let (started, port) = started(60).await;
    let mut receiver = Receiver::bind(&started).await.unwrap();
    let browser = tokio::spawn(async move { get(port, &format!("/callback?code=fake-code&state={STATE}")).await });
    drop(receiver.redirected().await.unwrap());
    let shown = browser.await.unwrap();
    assert!(shown.starts_with("HTTP/1.1 503"), "{shown}");
}
