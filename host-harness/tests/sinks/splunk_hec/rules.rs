//! The stand-in refuses what Splunk refuses: for each of its rules a client that breaks it.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Hec;
use super::stand_in::{SECRET, Token};

const CHANNEL: &str = "X-Splunk-Request-Channel: 0aeeac95-ac74-4aa9-b30d-6c4c0ac581ba";
const EVENT: &str = "/services/collector/event";

/// A request as it is written; the answer.
async fn ask(hec: &Hec, method: &str, path: &str, headers: &[&str], body: &str) -> String {
    let address = hec.server.url().strip_prefix("http://").unwrap().to_owned();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: splunk\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn says(answer: &str, status: u16, rest: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.contains(rest), "{status} {rest}: {answer}");
}

#[tokio::test]
async fn a_client_that_breaks_a_rule_is_refused() {
    let token = &format!("Authorization: Splunk {SECRET}");
    let hec = Hec::start(Token::Acknowledges, "").await;
    let good = "{\"event\":{\"id\":\"a\"}}";
    // [codes] 2, 3, 4, 16
    says(&ask(&hec, "POST", EVENT, &[CHANNEL], good).await, 401, "\"code\":2}");
    says(&ask(&hec, "POST", EVENT, &[CHANNEL, "Authorization: Bearer x"], good).await, 401, "\"code\":3}");
    says(&ask(&hec, "POST", EVENT, &[CHANNEL, "Authorization: Splunk x"], good).await, 403, "\"code\":4}");
    says(&ask(&hec, "POST", &format!("{EVENT}?token={SECRET}"), &[CHANNEL], good).await, 400, "\"code\":16}");
    // [codes] 10, 11
    says(&ask(&hec, "POST", EVENT, &[token], good).await, 400, "\"code\":10}");
    says(&ask(&hec, "POST", EVENT, &[token, "X-Splunk-Request-Channel: mine"], good).await, 400, "\"code\":11}");
    // [rest]
    says(&ask(&hec, "POST", "/services/collector/events", &[token, CHANNEL], good).await, 404, "");
    says(&ask(&hec, "GET", EVENT, &[token, CHANNEL], "").await, 404, "");
    // [format] and [codes] 5, 6, 7, 12, 13, 15
    for (body, code) in [
        ("", "5}"),
        ("{\"event\":", "6,\"invalid-event-number\":0}"),
        ("{\"event\":1}{\"event\":x}", "6,\"invalid-event-number\":1}"),
        ("{\"event\":1,\"event\":2}", "6,\"invalid-event-number\":0}"),
        ("{\"event\":1,\"stream\":\"x\"}", "6,\"invalid-event-number\":0}"),
        ("{\"event\":1,\"time\":\"now\"}", "6,\"invalid-event-number\":0}"),
        ("{\"event\":1,\"host\":5}", "6,\"invalid-event-number\":0}"),
        ("[1]", "6,\"invalid-event-number\":0}"),
        ("{\"event\":1,\"index\":\"main\"}", "7,\"invalid-event-number\":0}"),
        ("{\"time\":1}", "12,\"invalid-event-number\":0}"),
        ("{\"event\":null}", "13,\"invalid-event-number\":0}"),
        ("{\"event\":\"\"}", "13,\"invalid-event-number\":0}"),
        ("{\"event\":1,\"fields\":{\"a\":{\"b\":1}}}", "15,\"invalid-event-number\":0}"),
    ] {
        says(&ask(&hec, "POST", EVENT, &[token, CHANNEL], body).await, 400, &format!("\"code\":{code}"));
    }
    hec.splunk().limit(10, false);
    says(&ask(&hec, "POST", EVENT, &[token, CHANNEL], good).await, 413, "");
    let disabled = Hec::start(Token::Disabled, "").await;
    says(&ask(&disabled, "POST", EVENT, &[token], good).await, 403, "\"code\":1}");
    says(&ask(&disabled, "GET", "/services/collector/health", &[token], "").await, 400, "\"code\":22}");
}

#[tokio::test]
async fn a_number_is_acknowledged_once_and_on_its_own_channel_only() {
    const ACK: &str = "/services/collector/ack";
    let token = &format!("Authorization: Splunk {SECRET}");
    let other = "X-Splunk-Request-Channel: 1aeeac95-ac74-4aa9-b30d-6c4c0ac581ba";
    let hec = Hec::start(Token::Acknowledges, "").await;
    for number in ["0", "1"] {
        let answer = ask(&hec, "POST", EVENT, &[token, CHANNEL], "{\"event\":{\"id\":\"a\"}}").await;
        says(&answer, 200, &format!("\"ackId\":{number}}}"));
    }
    says(&ask(&hec, "POST", ACK, &[token, other], "{\"acks\":[0]}").await, 200, "{\"acks\":{\"0\":false}}");
    says(
        &ask(&hec, "POST", ACK, &[token, CHANNEL], "{\"acks\":[0,7]}").await,
        200,
        "{\"acks\":{\"0\":true,\"7\":false}}",
    );
    says(
        &ask(&hec, "POST", ACK, &[token, CHANNEL], "{\"acks\":[0,1]}").await,
        200,
        "{\"acks\":{\"0\":false,\"1\":true}}",
    );
    says(&ask(&hec, "POST", ACK, &[token, CHANNEL], "[0]").await, 400, "\"code\":6}");
    says(&ask(&hec, "POST", ACK, &[token], "{\"acks\":[0]}").await, 400, "\"code\":10}");
    let plain = Hec::start(Token::Plain, "").await;
    says(&ask(&plain, "POST", ACK, &[token, CHANNEL], "{\"acks\":[0]}").await, 400, "\"code\":14}");
}
