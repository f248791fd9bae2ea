//! The address and the credentials, for each of the stores.

use std::sync::Arc;

use ::object_store::aws::AmazonS3Builder;
use ::object_store::azure::MicrosoftAzureBuilder;
use ::object_store::gcp::GoogleCloudStorageBuilder;
use ::object_store::path::Path;
use ::object_store::{Error, ObjectStore, ObjectStoreScheme, RetryConfig};
use url::Url;

use super::super::client::Endpoint;
use super::super::{Given, SetupError};
use super::connector::Way;

pub(super) const URL: &str = "url";
pub(super) const REGION: &str = "region";
pub(super) const ENDPOINT: &str = "endpoint";
pub(super) const ACCESS_KEY_ID: &str = "access_key_id";
pub(super) const SECRET_ACCESS_KEY: &str = "secret_access_key";
pub(super) const SESSION_TOKEN: &str = "session_token";
pub(super) const SERVICE_ACCOUNT: &str = "service_account";
pub(super) const ACCOUNT: &str = "account";
pub(super) const ACCOUNT_KEY: &str = "account_key";
/// The client's keys want an address; requests bring their own.
const ANY: &str = "https://object-store.invalid";

/// A store that is set up; nothing is sent yet.
pub(super) struct Place {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) url: String,
    pub(super) prefix: Path,
}

/// What the table says, completed by the environment.
pub(super) fn of(given: &Given) -> Result<Place, SetupError> {
    let refused = |problem: &str| SetupError::of(URL, problem);
    let form = "it must be the URL of a bucket, as s3://bucket/prefix, gs://bucket/prefix or az://container/prefix";
    let url = Url::parse(given.needed(URL)?).map_err(|_| refused(form))?;
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(refused("it must hold nothing but the bucket and a prefix; credentials have keys of their own"));
    }
    let (scheme, prefix) = ObjectStoreScheme::parse(&url).map_err(|_| refused(form))?;
    let way = Way(Arc::new(Endpoint::at(ANY, given)?.open([])));
    let store = match scheme {
        ObjectStoreScheme::AmazonS3 => s3(given, url.as_str(), way)?,
        ObjectStoreScheme::GoogleCloudStorage => gcs(given, url.as_str(), way)?,
        ObjectStoreScheme::MicrosoftAzure => azure(given, url.as_str(), way)?,
        ObjectStoreScheme::Http => return Err(refused("write it as s3://bucket/prefix, and the server as `endpoint`")),
        _ => return Err(refused(form)),
    };
    Ok(Place { store, url: url.to_string(), prefix })
}

fn s3(given: &Given, url: &str, way: Way) -> Result<Arc<dyn ObjectStore>, SetupError> {
    only(given, "S3", &[SERVICE_ACCOUNT, ACCOUNT, ACCOUNT_KEY])?;
    let mut store = AmazonS3Builder::from_env().with_url(url).with_retry(once()).with_http_connector(way);
    if let Some(region) = given.text(REGION) {
        store = store.with_region(region);
    }
    if let Some(endpoint) = endpoint(given)? {
        store = store.with_endpoint(endpoint).with_allow_http(true);
    }
    match (given.text(ACCESS_KEY_ID), given.secret(SECRET_ACCESS_KEY)) {
        (None, None) => {}
        (Some(id), Some(secret)) => store = store.with_access_key_id(id).with_secret_access_key(secret.expose()),
        _ => return Err(SetupError::of(ACCESS_KEY_ID, "`access_key_id` and `secret_access_key` belong together")),
    }
    if let Some(token) = given.secret(SESSION_TOKEN) {
        store = store.with_token(token.expose());
    }
    Ok(Arc::new(store.build().map_err(|error| problem(&error))?))
}

fn gcs(given: &Given, url: &str, way: Way) -> Result<Arc<dyn ObjectStore>, SetupError> {
    only(
        given,
        "Google Cloud Storage",
        &[REGION, ACCESS_KEY_ID, SECRET_ACCESS_KEY, SESSION_TOKEN, ACCOUNT, ACCOUNT_KEY],
    )?;
    let mut store = GoogleCloudStorageBuilder::from_env().with_url(url).with_retry(once()).with_http_connector(way);
    if let Some(endpoint) = endpoint(given)? {
        store = store.with_base_url(&endpoint);
    }
    if let Some(path) = given.path(SERVICE_ACCOUNT) {
        store = store.with_service_account_path(path.to_string_lossy());
    }
    Ok(Arc::new(store.build().map_err(|error| problem(&error))?))
}

fn azure(given: &Given, url: &str, way: Way) -> Result<Arc<dyn ObjectStore>, SetupError> {
    only(given, "Azure", &[REGION, ACCESS_KEY_ID, SECRET_ACCESS_KEY, SESSION_TOKEN, SERVICE_ACCOUNT])?;
    let mut store = MicrosoftAzureBuilder::from_env().with_url(url).with_retry(once()).with_http_connector(way);
    if let Some(endpoint) = endpoint(given)? {
        store = store.with_endpoint(endpoint).with_allow_http(true);
    }
    if let Some(account) = given.text(ACCOUNT) {
        store = store.with_account(account);
    }
    if let Some(key) = given.secret(ACCOUNT_KEY) {
        store = store.with_access_key(key.expose());
    }
    Ok(Arc::new(store.build().map_err(|error| problem(&error))?))
}

/// The courier tries again, with its own pauses.
fn once() -> RetryConfig {
    RetryConfig { max_retries: 0, ..RetryConfig::default() }
}

fn endpoint(given: &Given) -> Result<Option<String>, SetupError> {
    let Some(text) = given.text(ENDPOINT) else { return Ok(None) };
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some());
    let url = url.ok_or_else(|| SetupError::of(ENDPOINT, "it must be a URL such as https://minio.example.com:9000"))?;
    Ok(Some(url.as_str().trim_end_matches('/').to_owned()))
}

/// Keys of another store are a slip.
fn only(given: &Given, store: &str, others: &[&'static str]) -> Result<(), SetupError> {
    match others.iter().find(|key| given.has(key)) {
        Some(key) => Err(SetupError::of(key, format!("`{key}` is not for {store}"))),
        None => Ok(()),
    }
}

/// What the library finds wrong with the settings.
fn problem(error: &Error) -> SetupError {
    SetupError::of(URL, crate::log::plain(&error.to_string()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::super::super::Value;
    use super::*;
    use crate::secrets::Secret;

    fn place(url: &str, own: &[(&'static str, Value)]) -> Result<Place, SetupError> {
        let values = [(URL, Value::Text(url.to_owned()))].into_iter().chain(own.iter().cloned()).collect();
        of(&Given::new(values, "/".into()))
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn each_store_is_known_by_its_address() {
        let azure = [(ACCOUNT, text("acc")), (ACCOUNT_KEY, Value::Secret(Secret::from("a2V5")))];
        for (url, own, store, prefix) in [
            ("s3://bucket/a/b", &[][..], "AmazonS3(bucket)", "a/b"),
            ("https://bucket.s3.eu-central-1.amazonaws.com/a", &[], "AmazonS3(bucket)", "a"),
            ("gs://bucket", &[], "GoogleCloudStorage(bucket)", ""),
            ("az://container/a", &azure, "MicrosoftAzure { account: acc, container: container }", "a"),
            (
                "https://acc.blob.core.windows.net/container/a",
                &azure[1..],
                "MicrosoftAzure { account: acc, container: container }",
                "a",
            ),
        ] {
            let place = place(url, own).map_err(|error| format!("{url}: {error}")).unwrap();
            assert_eq!((place.store.to_string().as_str(), place.prefix.as_ref()), (store, prefix), "{url}");
        }
    }

    #[test]
    fn an_address_that_is_none_and_keys_of_another_store_are_refused() {
        for url in
            ["bucket", "ftp://bucket", "file:///tmp/a", "http://minio:9000/bucket", "s3://k:s@bucket/a", "s3://b/a?x=1"]
        {
            assert_eq!(place(url, &[]).map(|_| ()).unwrap_err().key, URL, "{url}");
        }
        for (url, key) in
            [("s3://b", ACCOUNT), ("gs://b", REGION), ("az://b", SESSION_TOKEN), ("s3://b", ACCESS_KEY_ID)]
        {
            assert_eq!(place(url, &[(key, text("x"))]).map(|_| ()).unwrap_err().key, key, "{url}");
        }
    }
}
