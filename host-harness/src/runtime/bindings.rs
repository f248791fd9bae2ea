//! What `wit/` says, as Rust. Generated; the host uses these types as they are.
#![expect(missing_docs, reason = "generated; the documentation stands in wit/")]
#![allow(unreachable_pub, reason = "generated")]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "siem:plugin/plugin",
    imports: {
        "siem:plugin/secrets": async,
    },
    exports: { default: async },
    with: {
        "wasi:http": wasmtime_wasi_http::p2::bindings::http,
        "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
        "wasi:io": wasmtime_wasi::p2::bindings::io,
        "wasi:random": wasmtime_wasi::p2::bindings::random,
    },
    additional_derives: [PartialEq],
});
