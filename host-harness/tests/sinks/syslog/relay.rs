//! A line to a receiver that can be cut: bytes go through as they are, TLS or not.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::conformance::Fault;

const SLOW: Duration = Duration::from_millis(100);

#[derive(Default)]
struct State {
    fault: Option<(Fault, usize)>,
    /// Connections of which the sender knows that they ended well, by the address that the receiver sees: each has its own.
    ended_well: BTreeSet<IpAddr>,
    connections: u32,
}

pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    accepting: JoinHandle<()>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Relay {
    pub(crate) async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, state) = (listener.local_addr().unwrap(), Arc::<Mutex<State>>::default());
        let accepting = tokio::spawn(accept(listener, to, Arc::clone(&state)));
        Self { address, state, accepting }
    }

    /// Misbehaves with so many connections.
    pub(crate) fn misbehave(&self, fault: Fault, connections: usize) {
        self.state.lock().unwrap().fault = Some((fault, connections));
    }

    pub(crate) fn ended_well(&self, from: IpAddr) -> bool {
        self.state.lock().unwrap().ended_well.contains(&from)
    }

    pub(crate) fn connections(&self) -> u32 {
        self.state.lock().unwrap().connections
    }
}

async fn accept(listener: TcpListener, to: SocketAddr, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        let (fault, number) = {
            let mut state = state.lock().unwrap();
            state.connections += 1;
            let fault = state.fault.map(|(fault, _)| fault);
            state.fault = state.fault.and_then(|(fault, left)| (left > 1).then_some((fault, left - 1)));
            (fault, state.connections)
        };
        let state = Arc::clone(&state);
        connections.spawn(async move { carry(near, number, to, fault, &state).await });
    }
}

/// Breaks a connection off, so that the other end knows that not all was read.
fn break_off(stream: &TcpStream) {
    #[allow(deprecated, reason = "with 0 it does not wait for anything")]
    stream.set_linger(Some(Duration::ZERO)).unwrap();
}

async fn carry(
    mut near: TcpStream,
    number: u32,
    to: SocketAddr,
    fault: Option<Fault>,
    state: &Mutex<State>,
) -> Option<()> {
    if fault == Some(Fault::Down) {
        // Closed at once, before anything was read.
        return None;
    }
    let from = IpAddr::from(Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + (1 << 16) + number));
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    let far = socket.connect(to).await.unwrap();
    let (mut far_reads, mut far_writes) = far.into_split();
    let (mut near_reads, mut near_writes) = near.split();
    let is_half = fault == Some(Fault::Half);
    let onward = async {
        let (mut bytes, mut passed) = (vec![0; 16 * 1024], 0);
        loop {
            let read = near_reads.read(&mut bytes).await.ok()?;
            if read == 0 {
                break;
            }
            if fault == Some(Fault::Slow) {
                tokio::time::sleep(SLOW).await;
            }
            passed += read;
            far_writes.write_all(&bytes[..read]).await.ok()?;
            if is_half && passed > 100_000 {
                return None;
            }
        }
        far_writes.shutdown().await.ok()
    };
    let back = async {
        let mut bytes = vec![0; 16 * 1024];
        loop {
            match far_reads.read(&mut bytes).await.ok()? {
                0 => return Some(()),
                read => near_writes.write_all(&bytes[..read]).await.ok()?,
            }
        }
    };
    let done = async { tokio::try_join!(async { onward.await.ok_or(()) }, async { back.await.ok_or(()) }) };
    let is_through = done.await.is_ok();
    match fault {
        _ if !is_through => break_off(&near),
        Some(Fault::CutAfter) => break_off(&near),
        fault => {
            if fault == Some(Fault::Late) {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            // Known before the sender can know it.
            state.lock().unwrap().ended_well.insert(from);
            near.shutdown().await.ok()?;
        }
    }
    Some(())
}
