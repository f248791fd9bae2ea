//! A complete host for a `siem:plugin` component in plain wasmtime: what a platform does to load one.
//!
//! `platform COMPONENT FOLDER` collects once: events go to standard output, one line each.
//! `platform COMPONENT FOLDER COMMAND [name=value …]` runs one command, such as the sign-in.
//!
//! FOLDER holds `settings.json` and `secrets.json`, which a person fills in (`{"secrets": {"NAME": ["VALUE", 0]}}`);
//! tokens and `last-run.json` are kept there too.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bindings::exports::siem::plugin::collector::{Description, FetchRequest, Next};
use bindings::siem::plugin::types::{Failure, LastRun, LastRunPart};
use bindings::siem::plugin::{host, secrets, settings, types};
use http_body_util::BodyExt;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use url::{Origin, Url};
use wasmtime::component::{Component, HasSelf, Linker, ResourceTable};
use wasmtime::{Config, Engine, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    self as http_host, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "siem:plugin/plugin",
        exports: { default: async },
        with: {
            "wasi:http": wasmtime_wasi_http::p2::bindings::http,
            "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
            "wasi:io": wasmtime_wasi::p2::bindings::io,
            "wasi:random": wasmtime_wasi::p2::bindings::random,
        },
    });
}

/// A last-run as this platform keeps it: as one value, its head and its parts.
type OneValue = (String, Vec<(String, Option<String>)>);
type Res<T> = Result<T, Box<dyn Error>>;

// ---- what the plugin imports ----

/// The data of one call's store.
struct Call {
    folder: PathBuf,
    network: Network,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    table: ResourceTable,
}

impl settings::Host for Call {
    fn all(&mut self) -> Vec<(String, String)> {
        read_settings(&self.folder).unwrap_or_default().into_iter().collect()
    }
}

/// Name → value and revision; the counter makes each revision unique.
#[derive(Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
struct Kept {
    counter: u64,
    secrets: BTreeMap<String, (String, u64)>,
}

impl Call {
    fn change_secret(
        &self,
        name: String,
        expected: Option<&str>,
        value: Option<String>,
    ) -> Result<String, secrets::SecretsError> {
        let file = self.folder.join("secrets.json");
        let failed = |error: Box<dyn Error>| secrets::SecretsError::Unavailable(error.to_string());
        let mut kept: Kept = read_json(&file).map_err(failed)?.unwrap_or_default();
        if kept.secrets.get(&name).map(|kept| kept.1.to_string()).as_deref() != expected {
            return Err(secrets::SecretsError::Conflict);
        }
        kept.counter += 1;
        match value {
            Some(value) => kept.secrets.insert(name, (value, kept.counter)),
            None => kept.secrets.remove(&name),
        };
        replace(&file, &serde_json::to_vec(&kept).map_err(|error| failed(error.into()))?).map_err(failed)?;
        Ok(kept.counter.to_string())
    }
}

impl secrets::Host for Call {
    fn get(&mut self, name: String) -> Result<Option<secrets::Versioned>, secrets::SecretsError> {
        let kept: Res<Option<Kept>> = read_json(&self.folder.join("secrets.json"));
        let kept = kept.map_err(|error| secrets::SecretsError::Unavailable(error.to_string()))?.unwrap_or_default();
        let found = kept.secrets.get(&name).cloned();
        Ok(found.map(|(value, revision)| secrets::Versioned { value, revision: revision.to_string() }))
    }
    fn replace(
        &mut self,
        name: String,
        expected: Option<String>,
        value: String,
    ) -> Result<String, secrets::SecretsError> {
        self.change_secret(name, expected.as_deref(), Some(value))
    }
    fn delete(&mut self, name: String, expected: String) -> Result<(), secrets::SecretsError> {
        self.change_secret(name, Some(&expected), None).map(|_| ())
    }
}

impl types::Host for Call {}
impl host::Host for Call {
    fn log(&mut self, _: host::Level, code: String, text: String, _: Vec<(String, String)>) {
        eprintln!("{code}: {text}");
    }
    fn stopping(&mut self) -> bool {
        false
    }

    fn part(&mut self, _: String) -> Option<String> {
        None // All texts are handed over.
    }
}

impl WasiView for Call {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
impl WasiHttpView for Call {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.network }
    }
}

/// Pooled connections to the plugin's origins, and to nothing else.
#[derive(Clone)]
struct Network {
    allowed: Vec<Origin>,
    client: Client<HttpsConnector<HttpConnector>, WasiBody>,
}

type Sent = Box<dyn Future<Output = http_host::Result<()>> + Send>;

impl WasiHttpHooks for Network {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Sent,
    ) -> Box<dyn Future<Output = http_host::Result<(http::Response<WasiBody>, Sent)>> + Send> {
        let (network, url) = (self.clone(), Url::parse(&request.uri().to_string()));
        Box::new(async move {
            let url = url.map_err(|_| http_host::Error::HttpRequestUriInvalid)?;
            if !url.username().is_empty() || !network.allowed.contains(&url.origin()) {
                return Err(http_host::Error::HttpRequestDenied);
            }
            let answer = tokio::time::timeout(Duration::from_secs(60), network.client.request(request)).await;
            let answer = answer.map_err(|_| http_host::Error::HttpResponseTimeout)?;
            let answer = answer.map_err(|_| http_host::Error::DestinationUnavailable)?;
            Ok((
                answer.map(|body| body.map_err(http_host::Error::from).boxed_unsync()),
                Box::new(async { Ok(()) }) as Sent,
            ))
        })
    }
}

// ---- files ----

fn read_json<T: serde::de::DeserializeOwned>(file: &Path) -> Res<Option<T>> {
    match fs::read(file) {
        Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn read_settings(folder: &Path) -> Res<BTreeMap<String, String>> {
    Ok(read_json(&folder.join("settings.json"))?.unwrap_or_default())
}

/// On the disk when it returns; after a crash the old text or the new one.
fn replace(file: &Path, text: &[u8]) -> Res<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut staged = tempfile::NamedTempFile::new_in(folder)?;
    staged.write_all(text)?;
    staged.as_file().sync_all()?;
    staged.persist(file)?;
    Ok(File::open(folder)?.sync_all()?)
}

// ---- the loop ----

struct Platform {
    engine: Engine,
    plugin: bindings::PluginPre<Call>,
    network: Network,
    folder: PathBuf,
}

impl Platform {
    fn load(component: &Path, folder: &Path) -> Res<Self> {
        let engine = Engine::new(Config::new().wasm_component_model(true))?;
        let mut linker = Linker::<Call>::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
        types::add_to_linker::<Call, HasSelf<Call>>(&mut linker, |call| call)?;
        secrets::add_to_linker::<Call, HasSelf<Call>>(&mut linker, |call| call)?;
        settings::add_to_linker::<Call, HasSelf<Call>>(&mut linker, |call| call)?;
        host::add_to_linker::<Call, HasSelf<Call>>(&mut linker, |call| call)?;
        let plugin = bindings::PluginPre::new(linker.instantiate_pre(&Component::from_file(&engine, component)?)?)?;
        let tls = rustls::ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()?
            .with_native_roots()?
            .with_no_client_auth();
        let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        let network = Network { allowed: Vec::new(), client: Client::builder(TokioExecutor::new()).build(https) };
        Ok(Self { engine, plugin, network, folder: folder.to_owned() })
    }

    /// An instance for one call. Nothing but last-run and secrets lives longer.
    async fn call(&self) -> Res<(Store<Call>, bindings::Plugin)> {
        let call = Call {
            folder: self.folder.clone(),
            network: self.network.clone(),
            wasi: WasiCtx::builder().build(),
            http: WasiHttpCtx::new(),
            table: ResourceTable::new(),
        };
        let mut store = Store::new(&self.engine, call);
        let plugin = self.plugin.instantiate_async(&mut store).await?;
        Ok((store, plugin))
    }

    /// The origins that the plugin names, or the one that the operator has set instead.
    fn allow(&mut self, plugin: &Description) -> Res<()> {
        let settings = read_settings(&self.folder)?;
        let set = plugin.origin_setting.as_ref().and_then(|name| settings.get(name));
        let urls = set.map_or(plugin.origins.clone(), |url| vec![url.clone()]);
        self.network.allowed = urls.iter().map(|url| Ok(Url::parse(url)?.origin())).collect::<Res<_>>()?;
        Ok(())
    }

    async fn collect(&self) -> Res<()> {
        let file = self.folder.join("last-run.json");
        let stored: Option<OneValue> = read_json(&file)?;
        let part = |(name, body)| LastRunPart { name, body };
        let mut last_run = stored.map(|(head, parts)| LastRun { head, parts: parts.into_iter().map(part).collect() });
        loop {
            let (mut store, plugin) = self.call().await?;
            let request =
                FetchRequest { streams: vec![], max_events: None, max_bytes: None, budget_ms: None, re_read: None };
            let batch =
                plugin.siem_plugin_collector().call_fetch_events(&mut store, last_run.as_ref(), &request).await?;
            let batch = batch.map_err(in_words)?;
            // First the events are safe,
            let mut out = std::io::stdout().lock();
            batch.events.iter().try_for_each(|bundle| out.write_all(bundle.lines.as_bytes()))?;
            out.flush()?;
            // then the last-run that says so,
            let parts: Vec<_> = batch.last_run.parts.iter().map(|part| (&part.name, &part.body)).collect();
            replace(&file, &serde_json::to_vec(&(&batch.last_run.head, parts))?)?;
            last_run = Some(batch.last_run);
            // then the next call.
            batch
                .reports
                .into_iter()
                .filter_map(|report| report.failure)
                .for_each(|failure| eprintln!("{}", in_words(failure)));
            if !matches!(batch.next, Next::Now) {
                return Ok(()); // A platform would come back at its interval, or at the time that `next` names.
            }
        }
    }

    async fn run(&self, name: &str, arguments: &[String]) -> Res<()> {
        let pairs = arguments.iter().filter_map(|argument| argument.split_once('='));
        let pairs: Vec<(String, String)> = pairs.map(|(name, value)| (name.into(), value.into())).collect();
        let (mut store, plugin) = self.call().await?;
        let outcome = plugin.siem_plugin_commands().call_run(&mut store, name, &pairs).await?.map_err(in_words)?;
        println!("{}", outcome.readable);
        Ok(())
    }
}

fn in_words(failure: Failure) -> String {
    format!("{}: {} {}", failure.code, failure.message, failure.remedy)
}

#[tokio::main]
async fn main() -> Res<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [component, folder, command @ ..] = arguments.as_slice() else {
        return Err("usage: platform COMPONENT FOLDER [COMMAND name=value …]".into());
    };
    // One process at a time, so that no two of them write the same file.
    let lock = File::create(Path::new(folder).join("lock"))?;
    lock.try_lock()?;
    let mut platform = Platform::load(Path::new(component), Path::new(folder))?;
    let (mut store, plugin) = platform.call().await?;
    let description = plugin.siem_plugin_collector().call_describe(&mut store).await?;
    platform.allow(&description)?;
    match command {
        [] => platform.collect().await,
        [name, arguments @ ..] => platform.run(name, arguments).await,
    }
}
