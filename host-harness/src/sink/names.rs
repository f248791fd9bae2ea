//! By which names receivers know the product. The host knows nothing of it; where it has to be named, it is done here.

/// The vendor, as Cortex XSIAM names its data sets: `VENDOR_PRODUCT_raw`.
pub(super) const CORTEX_VENDOR: &str = "cisco";
/// The product, likewise.
pub(super) const CORTEX_PRODUCT: &str = "webex";

/// Before the names of attributes and events in OpenTelemetry that are the product's own.
pub(super) const OTEL_NAMESPACE: &str = "cisco.webex";
