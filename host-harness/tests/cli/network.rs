//! `[network]`, from the file to the wire.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::support::{Place, Ran};

/// Refuses every request over TLS, as `localhost` with a certificate that it has signed itself; gone with the value.
struct Server {
    address: SocketAddr,
    pem: String,
    requests: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    async fn start() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut head = [0; 4096];
                if let Ok(1..) = stream.read(&mut head).await {
                    counted.fetch_add(1, Ordering::SeqCst);
                    let answer = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";
                    let _ = stream.write_all(answer.as_bytes()).await;
                    let _ = stream.shutdown().await;
                }
            }
        });
        Self { address, pem: made.cert.pem(), requests, task }
    }

    /// One request of a plugin, with these lines in `[network]`.
    async fn ask(&self, network: &str) -> Ran {
        let place = Place::with(&format!(
            "base_url = \"https://localhost:{}\"\n[admin]\nclient_id = \"C\"\nclient_secret = \"x\"\n\
             redirect_uri = \"http://127.0.0.1:8765/callback\"\n[network]\n{network}\n",
            self.address.port()
        ));
        place.write("ca.pem", &self.pem);
        place.run(&["run", "cisco-webex-oauth-complete", "user=admin", "code=fake-code"]).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

const WARNING: &str = "certificates-not-checked";

#[tokio::test]
async fn a_certificate_is_believed_by_its_authority_or_by_the_one_switch_which_each_start_warns_of() {
    let server = Server::start().await;
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("other.pem");
    std::fs::write(&file, other).unwrap();

    let ran = server.ask(&format!("ca_file = {:?}", file.display().to_string())).await;
    assert!(ran.error().contains("TLS failed"), "{}", ran.error());
    assert_eq!(server.requests.load(Ordering::SeqCst), 0);

    let ran = server.ask("ca_file = \"ca.pem\"").await;
    assert!(!ran.error().contains("TLS failed") && !ran.stderr.contains(WARNING), "{}", ran.stderr);
    assert_eq!(server.requests.load(Ordering::SeqCst), 1);

    for start in 2..=3 {
        let ran = server.ask("danger_accept_invalid_certs = true").await;
        assert!(!ran.error().contains("TLS failed") && ran.stderr.contains(WARNING), "{}", ran.stderr);
        assert_eq!(server.requests.load(Ordering::SeqCst), start);
    }
}

#[tokio::test]
async fn a_key_of_the_network_that_cannot_be_used_is_told_with_its_line() {
    let ran = Place::with("[network]\nca_file = \"none.pem\"\n").run(&["check"]).await.exits(2);
    assert!(
        ran.error().starts_with("error: webex.toml:2: `network.ca_file` cannot be used: cannot read none.pem"),
        "{}",
        ran.error()
    );
}

#[tokio::test]
async fn check_says_that_certificates_are_not_checked() {
    let place = Place::with(
        "base_url = \"http://127.0.0.1:1\"\n[admin]\nclient_id = \"C\"\nclient_secret = \"x\"\n\
         [network]\ndanger_accept_invalid_certs = true\n",
    );
    place.run(&["check"]).await.says("warn  network").says(WARNING);
}

#[tokio::test]
async fn check_goes_the_way_step_by_step_and_says_where_it_ends() {
    let place = |network: &str| {
        Place::with(&format!(
            "base_url = \"https://localhost:1\"\n[admin]\nclient_id = \"C\"\nclient_secret = \"x\"\n[network]\n{network}\n"
        ))
    };
    let ran = place("").run(&["check"]).await.exits(3);
    let line = |ran: &Ran, subject: &str| {
        let line = ran.stdout.lines().find(|line| line.split_whitespace().nth(1) == Some(subject));
        line.unwrap_or_else(|| panic!("no line on {subject} in {}", ran.stdout)).to_owned()
    };
    assert!(
        line(&ran, "dns").starts_with("ok    dns") && line(&ran, "dns").contains("localhost is "),
        "{}",
        ran.stdout
    );
    assert!(line(&ran, "tls").starts_with("fail  tls") && line(&ran, "tls").contains("firewall"), "{}", ran.stdout);

    let proxied = "base_url = \"https://webex.test\"\n[admin]\nclient_id = \"C\"\nclient_secret = \"x\"\n\
                   [network]\nproxy = \"http://127.0.0.1:1\"\n";
    let ran = Place::with(proxied).run(&["check", "--json"]).await.exits(3);
    let findings: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let proxy = findings.as_array().unwrap().iter().find(|finding| finding["subject"] == "proxy").unwrap();
    assert_eq!(proxy["verdict"], "fail");
    assert!(proxy["remedy"].as_str().unwrap().contains("network.proxy"), "{proxy}");
    assert!(!findings.to_string().contains("\"tls\""), "what lies behind an obstacle is not told: {findings}");

    let nothing = Place::with("base_url = \"https://webex.test\"\n").run(&["check"]).await.exits(2);
    assert!(!nothing.stdout.contains("dns"), "{}", nothing.stdout);
}
