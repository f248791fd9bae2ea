//! The engine and a component that was loaded into it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::bindings::PluginPre;
use super::error::{causes, one_line};
use super::guest::{Guest, linker};
use super::native::{NativeCache, Place};
use super::tenant::TenantBuilder;
use super::{Command, Description, RuntimeError, Source};

/// How often a running plugin looks up and lets others run, and thus how late a deadline can be. The look-up costs a part of
/// the plugin's speed at every loop, whatever this length is; an endless loop that nobody can end would cost more.
const TICK: Duration = Duration::from_millis(50);

/// Instances at a time: a running cycle or command each. More of them fail, and are tried again as what breaks off is.
const INSTANCES: u32 = 64;
/// Core modules of one component: the plugin has four, with what the toolchain puts around it.
const MODULES: u32 = 8;
/// Bytes of a memory that stay with the process when a call is over, for the next one. Less is given back to the system, page by
/// page, and taken again: a tenth of the CPU of a call of thousands of events (`benches/sandbox.rs`).
const KEPT_MEMORY: usize = 16 << 20;
/// Instances whose memory stays so.
const KEPT_INSTANCES: u32 = 2;

/// Memories and tables are reserved once, and cleared instead of made anew.
fn pool() -> InstanceAllocationStrategy {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(INSTANCES)
        .total_core_instances(INSTANCES * MODULES)
        .total_memories(INSTANCES)
        .total_tables(INSTANCES * MODULES)
        .total_stacks(INSTANCES)
        .max_core_instances_per_component(MODULES)
        .max_memory_size(super::tenant::MEMORY_BYTES)
        .max_unused_warm_slots(KEPT_INSTANCES)
        .linear_memory_keep_resident(KEPT_MEMORY);
    pool.into()
}

/// One engine. Components that it has loaded keep it alive.
#[derive(Clone)]
pub struct Runtime {
    pub(super) engine: Engine,
}

impl Runtime {
    /// Starts the engine and its clock.
    ///
    /// # Errors
    /// The machine does not allow it.
    pub fn new() -> Result<Self, RuntimeError> {
        Self::guarded(true)
    }

    /// The same whose plugins never look up, so that an endless loop never ends. For a benchmark of what looking up costs.
    ///
    /// # Errors
    /// The machine does not allow it.
    #[doc(hidden)]
    pub fn without_time_guard() -> Result<Self, RuntimeError> {
        Self::guarded(false)
    }

    fn guarded(is_guarded: bool) -> Result<Self, RuntimeError> {
        let mut config = Config::new();
        config.wasm_component_model(true).epoch_interruption(is_guarded);
        let engine = Engine::new(config.clone().allocation_strategy(pool()))
            // Where address space is rationed there is no pool, and each call has its own memory.
            .or_else(|_| Engine::new(&config))
            .map_err(|error| RuntimeError::Engine(one_line(&error)))?;
        let weak = engine.weak();
        std::thread::Builder::new()
            .name("wasm-ticks".into())
            .spawn(move || {
                while let Some(engine) = weak.upgrade() {
                    engine.increment_epoch();
                    drop(engine);
                    std::thread::sleep(TICK);
                }
            })
            .map_err(|error| RuntimeError::Engine(error.to_string()))?;
        Ok(Self { engine })
    }

    /// Compiles a component (about half a second) and checks it against the contract.
    ///
    /// # Errors
    /// The bytes are no component, or one of another contract, or one that imports what this host does not give.
    pub fn load(&self, bytes: &[u8]) -> Result<Plugin, RuntimeError> {
        let component =
            Component::from_binary(&self.engine, bytes).map_err(|error| RuntimeError::Load(one_line(&error)))?;
        self.plugin(&component)
    }

    fn plugin(&self, component: &Component) -> Result<Plugin, RuntimeError> {
        let contract = |error: wasmtime::Error| RuntimeError::Contract(causes(&error));
        let pre = linker(&self.engine).and_then(|linker| linker.instantiate_pre(component)).map_err(contract)?;
        let pre = PluginPre::new(pre).map_err(contract)?;
        Ok(Plugin { pre, engine: self.engine.clone(), described: Arc::default(), place: None })
    }

    /// The same; what compiling brings is kept in `cache`, or found there.
    ///
    /// # Errors
    /// As [`load`](Self::load). That the cache cannot be used is none.
    pub fn load_cached(&self, source: &Source, cache: &NativeCache) -> Result<Plugin, RuntimeError> {
        let place = cache.place(&self.engine, source);
        if let Some(component) = place.find(&self.engine) {
            return self.plugin(&component);
        }
        let mut plugin = self.load(source.bytes())?;
        plugin.place = Some(Arc::new(place));
        plugin.keep();
        Ok(plugin)
    }

    /// What a component imports and exports, also of one that [`load`](Self::load) refuses.
    ///
    /// # Errors
    /// The bytes are no component.
    pub fn inspect(&self, bytes: &[u8]) -> Result<Imports, RuntimeError> {
        let component =
            Component::from_binary(&self.engine, bytes).map_err(|error| RuntimeError::Load(one_line(&error)))?;
        Ok(Imports::of(&component, &self.engine))
    }
}

/// Names of interfaces and functions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imports {
    /// What a host must give.
    pub imports: Vec<String>,
    /// What a host can call.
    pub exports: Vec<String>,
}

impl Imports {
    fn of(component: &Component, engine: &Engine) -> Self {
        let kind = component.component_type();
        Self {
            imports: kind.imports(engine).map(|(name, item)| entry(name, &item.ty)).collect(),
            exports: kind.exports(engine).map(|(name, item)| entry(name, &item.ty)).collect(),
        }
    }
}

fn entry(name: &str, item: &ComponentItem) -> String {
    match item {
        ComponentItem::ComponentInstance(_) => name.to_owned(),
        ComponentItem::ComponentFunc(_) => format!("{name} (function)"),
        ComponentItem::Component(_) | ComponentItem::CoreFunc(_) | ComponentItem::Module(_) => {
            format!("{name} (code)")
        }
        ComponentItem::Type(_) | ComponentItem::Resource(_) => format!("{name} (type)"),
    }
}

/// A component, compiled and checked. Clones share it.
#[derive(Clone)]
pub struct Plugin {
    pub(super) pre: PluginPre<Guest>,
    pub(super) engine: Engine,
    /// What it has said of itself, once for all tenants.
    described: Arc<OnceCell<Description>>,
    /// Where its native code is to be kept, if it was compiled at this start.
    place: Option<Arc<Place>>,
}

impl Plugin {
    /// Keeps what compiling brought where it was [looked for](Runtime::load_cached). False: it is kept already, or cannot be yet.
    pub fn keep(&self) -> bool {
        self.place.as_ref().is_some_and(|place| place.keep(self.pre.instance_pre().component()))
    }

    /// What the component imports and exports.
    pub fn imports(&self) -> Imports {
        Imports::of(self.pre.instance_pre().component(), &self.engine)
    }

    /// A tenant of this plugin, to be given its settings and opened.
    pub fn tenant(&self) -> TenantBuilder {
        TenantBuilder::new(Arc::new(self.clone()))
    }

    /// What the plugin is and needs; the same for every tenant, so it is asked once.
    ///
    /// # Errors
    /// See [`RuntimeError`].
    pub async fn describe(&self) -> Result<Description, RuntimeError> {
        self.described().await.cloned()
    }

    pub(super) async fn described(&self) -> Result<&Description, RuntimeError> {
        self.described.get_or_try_init(|| async { self.tenant().closed().describe().await }).await
    }

    /// Every command; the same for every tenant.
    ///
    /// # Errors
    /// See [`RuntimeError`].
    pub async fn list_commands(&self) -> Result<Vec<Command>, RuntimeError> {
        self.tenant().closed().list_commands().await
    }
}
