//! What stands behind one call: the store's data, the imports, the memory budget.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime::{Engine, ResourceLimiter, StoreLimits, StoreLimitsBuilder};
use wasmtime_wasi::cli::{WasiCli, WasiCliView as _};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView as _};
use wasmtime_wasi::p2::bindings::{cli, filesystem, random};
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::bindings::siem::plugin::{host, secrets, settings};
use super::bindings::{Plugin, siem};
use super::bounds::is_part_name;
use super::clock::{Clock, Random};
use super::output::Output;
use crate::log::{Level, Log};
use crate::net::{Hooks, Network};
use crate::secrets::{Secrets, SecretsError};
use crate::stop::Stop;

/// Header bytes, with what a table of them costs, in one request or answer. Webex sends a few kilobytes; next links with
/// cursors can be long.
const MAX_HEADER_BYTES: usize = 256 * 1024;
/// Resources that one call may hold at a time: requests, answers, streams. Streams times pages in hand is far below.
const MAX_RESOURCES: usize = 10_000;
/// Core instances, memories and tables of one component with its adapters; a plain Rust component has three, one and two.
const MAX_INSTANCES: usize = 64;
/// Function pointers in a table; a plain Rust component has some hundreds.
const MAX_TABLE_ELEMENTS: usize = 100_000;

/// What a tenant gives to each call.
pub(super) struct Services {
    pub(super) settings: Vec<(String, String)>,
    pub(super) secrets: Secrets,
    pub(super) net: Network,
    /// For the host's own lines.
    pub(super) log: Log,
    /// For lines that the plugin causes.
    pub(super) plugin_log: Log,
    pub(super) clock: Clock,
    pub(super) random: Random,
    pub(super) stop: Stop,
    /// Bytes of linear memory.
    pub(super) memory: usize,
    /// Of any call.
    pub(super) most_time: Duration,
}

/// The data of one store.
pub(super) struct Guest {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: Hooks,
    table: ResourceTable,
    services: Arc<Services>,
    parts: Option<Arc<dyn Parts>>,
    pub(super) memory: Memory,
    pub(super) errors: Output,
}

/// Texts of parts of a last-run that are not handed to a call: it asks for those that it needs.
pub trait Parts: Send + Sync {
    /// The text that is stored under this name; none: there is none, or it cannot be read. The plugin sees by the name whether it
    /// is the right one.
    fn text(&self, name: &str) -> Option<String>;
}

impl Guest {
    /// For call number `call`: no environment, arguments, files or sockets.
    pub(super) fn new(services: Arc<Services>, call: u64, parts: Option<Arc<dyn Parts>>) -> Self {
        let errors = Output::new("plugin-stderr", services.plugin_log.clone());
        let mut wasi = WasiCtx::builder();
        wasi.stdout(Output::new("plugin-stdout", services.plugin_log.clone()))
            .stderr(errors.clone())
            .wall_clock(services.clock.clone())
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false);
        if let Some(clock) = services.clock.monotonic() {
            wasi.monotonic_clock(clock);
        }
        if let Some(source) = services.random.source(call) {
            wasi.secure_random(source);
        }
        if let Some(source) = services.random.source(call) {
            // The seed of hash maps, so that a seeded run is the same to the last byte.
            wasi.insecure_random(source).insecure_random_seed(u128::from(call));
        }
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(MAX_HEADER_BYTES);
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        Self {
            wasi: wasi.build(),
            http,
            hooks: services.net.hooks(),
            table,
            memory: Memory::new(services.memory),
            errors,
            services,
            parts,
        }
    }
}

/// Everything that a component may import, and nothing else: what is not here fails when the component is loaded.
pub(super) fn linker(engine: &Engine) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::<Guest>::new(engine);
    let l = &mut linker;
    // io, clocks, random, standard streams; and wasi:http with the hooks of `net`.
    wasmtime_wasi::p2::add_to_linker_proxy_interfaces_async(l)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(l)?;
    // What the standard library of a guest imports besides, all of it empty here.
    cli::environment::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::exit::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::terminal_input::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::terminal_output::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::terminal_stdin::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::terminal_stdout::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::terminal_stderr::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    filesystem::types::add_to_linker::<Guest, WasiFilesystem>(l, Guest::filesystem)?;
    filesystem::preopens::add_to_linker::<Guest, WasiFilesystem>(l, Guest::filesystem)?;
    random::insecure::add_to_linker::<Guest, WasiRandom>(l, |guest| guest.wasi.random())?;
    random::insecure_seed::add_to_linker::<Guest, WasiRandom>(l, |guest| guest.wasi.random())?;
    // The contract's own.
    siem::plugin::secrets::add_to_linker::<Guest, HasSelf<Guest>>(l, |guest| guest)?;
    siem::plugin::settings::add_to_linker::<Guest, HasSelf<Guest>>(l, |guest| guest)?;
    siem::plugin::host::add_to_linker::<Guest, HasSelf<Guest>>(l, |guest| guest)?;
    siem::plugin::types::add_to_linker::<Guest, HasSelf<Guest>>(l, |guest| guest)?;
    Ok(linker)
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.hooks }
    }
}

impl siem::plugin::types::Host for Guest {}

impl secrets::Host for Guest {
    async fn get(&mut self, name: String) -> Result<Option<secrets::Versioned>, secrets::SecretsError> {
        let found = self.services.secrets.get(&name).await.map_err(|error| self.refused(&name, error))?;
        Ok(found.map(|found| secrets::Versioned {
            value: found.value.expose().to_owned(),
            revision: found.revision.into_text(),
        }))
    }

    async fn replace(
        &mut self,
        name: String,
        expected: Option<String>,
        value: String,
    ) -> Result<String, secrets::SecretsError> {
        let expected = expected.map(Into::into);
        let written = self.services.secrets.replace(&name, expected, value.into()).await;
        written.map(crate::secrets::Revision::into_text).map_err(|error| self.refused(&name, error))
    }

    async fn delete(&mut self, name: String, expected: String) -> Result<(), secrets::SecretsError> {
        let deleted = self.services.secrets.delete(&name, expected.into()).await;
        deleted.map_err(|error| self.refused(&name, error))
    }
}

impl Guest {
    fn refused(&self, name: &str, error: SecretsError) -> secrets::SecretsError {
        match error {
            // Part of the plugin's work, no news for the operator.
            SecretsError::Conflict => return secrets::SecretsError::Conflict,
            SecretsError::Denied => {
                let text = "the plugin asked for a secret that it may not use in this way";
                self.services.plugin_log.write_once(
                    Level::Warn,
                    "secret-denied",
                    text,
                    &[("name".into(), name.into())],
                );
                return secrets::SecretsError::Denied;
            }
            SecretsError::Unavailable(_) => {}
        }
        self.services.plugin_log.write(Level::Error, "secrets-unavailable", &error.to_string(), &[]);
        secrets::SecretsError::Unavailable(error.to_string())
    }
}

impl settings::Host for Guest {
    fn all(&mut self) -> Vec<(String, String)> {
        self.services.settings.clone()
    }
}

impl host::Host for Guest {
    fn log(&mut self, level: host::Level, code: String, text: String, fields: Vec<(String, String)>) {
        let level = match level {
            host::Level::Debug => Level::Debug,
            host::Level::Info => Level::Info,
            host::Level::Warn => Level::Warn,
            host::Level::Error => Level::Error,
        };
        self.services.plugin_log.write(level, &code, &text, &fields);
    }

    fn stopping(&mut self) -> bool {
        self.services.stop.is_requested()
    }

    fn part(&mut self, name: String) -> Option<String> {
        self.parts.as_ref().filter(|_| is_part_name(&name))?.text(&name)
    }
}

/// The generated instance of one call.
pub(super) type Instance = Plugin;

/// A limit on memory and tables that remembers whether it was met, since a guest dies of it without saying so.
pub(super) struct Memory {
    limits: StoreLimits,
    pub(super) refused: bool,
}

impl Memory {
    fn new(bytes: usize) -> Self {
        let limits = StoreLimitsBuilder::new()
            .memory_size(bytes)
            .table_elements(MAX_TABLE_ELEMENTS)
            .instances(MAX_INSTANCES)
            .tables(MAX_INSTANCES)
            .memories(MAX_INSTANCES)
            .build();
        Self { limits, refused: false }
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let allowed = self.limits.memory_growing(current, desired, maximum)?;
        self.refused |= !allowed;
        Ok(allowed)
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        self.limits.table_growing(current, desired, maximum)
    }

    fn instances(&self) -> usize {
        self.limits.instances()
    }

    fn tables(&self) -> usize {
        self.limits.tables()
    }

    fn memories(&self) -> usize {
        self.limits.memories()
    }
}
