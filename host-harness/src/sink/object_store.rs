//! Objects of lines in S3, Google Cloud Storage and Azure Blob Storage.
//!
//! A send becomes an object for each stream and hour of it, under a name that says where the send begins in the spool. A repeat
//! begins there, too, and replaces what is there ([`Sink::send_at`]). An object appears whole or not at all.
//!
//! | file | holds |
//! | --- | --- |
//! | [`connector`] | the library's requests, by the sinks' own client |
//! | [`objects`] | which events are in which object, and their bytes |
//! | [`place`] | the address and credentials, for each of the stores |

mod connector;
mod objects;
mod place;

use crate::sink::Event;
use std::fmt;
use std::sync::Arc;

use ::object_store::path::Path;
use ::object_store::{Error, ObjectStore, ObjectStoreExt as _};
use futures::future::BoxFuture;
use futures::{StreamExt as _, TryStreamExt as _};
use sha2::{Digest, Sha256};

use super::client;
use super::{Given, Kind, Plan, Promise, Receipt, SendError, SetupError, Sink, SinkError, SinkKey, Traffic, ValueKind};
use objects::Object;

/// Objects of one send that are written at a time.
const SIDE_BY_SIDE: usize = 4;
/// Characters of what a store said that are told.
const TOLD: usize = 300;
const GZIP: &str = "gzip";
/// What to do where the store wants another key, right or name.
const REMEDY: &str =
    "see that the bucket is there, and that the credentials hold and may write objects below the prefix";

/// What stores say where the bucket or the credentials are wrong, and the library passes on as it is.
const WRONG: &[&str] = &[
    "NoSuchBucket",
    "ContainerNotFound",
    "The specified bucket does not exist",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "AuthenticationFailed",
];
/// What they say where a right is missing.
const MAY_NOT_LIST: &[&str] = &["AccessDenied", "AuthorizationPermissionMismatch", "storage.objects.list"];

/// One object for each send, stream and hour.
pub(in crate::sink) const KIND: Kind = Kind {
    name: "object_store",
    about: "Objects of lines of JSON, to S3 and what speaks its language, Google Cloud Storage, or Azure Blob Storage.",
    keys: &[
        &[
            SinkKey::new(
                place::REGION,
                ValueKind::Text,
                "",
                "Region of the bucket, for S3. Absent: AWS_REGION, else us-east-1.",
            ),
            SinkKey::new(
                place::ENDPOINT,
                ValueKind::Text,
                "",
                "Address of the store, where it is not the provider's own, as MinIO.",
            ),
            SinkKey::new(
                place::ACCESS_KEY_ID,
                ValueKind::Text,
                "",
                "Access key for S3. Absent: the environment (AWS_ACCESS_KEY_ID and so on), a web identity, or the machine's role.",
            ),
            SinkKey::new(place::SECRET_ACCESS_KEY, ValueKind::Secret, "", "Its secret."),
            SinkKey::new(place::SESSION_TOKEN, ValueKind::Secret, "", "Its token, where it is a temporary one."),
            SinkKey::new(
                place::SERVICE_ACCOUNT,
                ValueKind::Path,
                "",
                "File with the key of a service account, for Google Cloud Storage. Absent: GOOGLE_SERVICE_ACCOUNT, or the machine's.",
            ),
            SinkKey::new(
                place::ACCOUNT,
                ValueKind::Text,
                "",
                "Storage account, for Azure. Absent: AZURE_STORAGE_ACCOUNT_NAME.",
            ),
            SinkKey::new(
                place::ACCOUNT_KEY,
                ValueKind::Secret,
                "",
                "Its key. Absent: the environment (AZURE_STORAGE_ACCOUNT_KEY, AZURE_CLIENT_ID and so on), or the machine's identity.",
            ),
        ],
        client::KEYS,
    ],
    promise: Promise {
        acknowledged: "the store has written each object of the send",
        repeats: "never: a repeat has the name of what it repeats, and replaces it",
        order: "as collected within an object; names sort as the sends were made",
        limits: "none of its own; an object is as large as a send",
    },
    example: "url = \"s3://siem-archive/webex\"\nregion = \"eu-central-1\"\nmax_age = \"5m\"",
    plan: |given| Ok(Arc::new(StorePlan::of(given)?)),
};

/// Where objects go.
#[derive(Clone)]
struct StorePlan {
    store: Arc<dyn ObjectStore>,
    url: String,
    prefix: Path,
    gzip: bool,
}

impl fmt::Debug for StorePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StorePlan").field("url", &self.url).finish_non_exhaustive()
    }
}

impl StorePlan {
    fn of(given: &Given) -> Result<Self, SetupError> {
        let place::Place { store, url, prefix } = place::of(given)?;
        Ok(Self { store, url, prefix, gzip: given.is_on(GZIP, true)? })
    }
}

impl StorePlan {
    fn put<'a>(&'a self, place: &'a str, object: Object<'a>) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(async move {
            let path = object.path(&self.prefix, place, self.gzip);
            let bytes =
                object.bytes(self.gzip).map_err(|error| SendError::later(format!("cannot compress: {error}")))?;
            self.store.put(&path, bytes.into()).await.map(drop).map_err(|error| refusal(&error))
        })
    }
}

impl Plan for StorePlan {
    fn open(&self) -> Result<Arc<dyn Sink>, SinkError> {
        Ok(Arc::new(self.clone()))
    }

    fn place(&self) -> String {
        self.url.clone()
    }

    /// One after the other, so that a repeat begins where the send began.
    fn traffic(&self) -> Traffic {
        Traffic { max_bytes: 8 << 20, max_events: 50_000, side_by_side: 1 }
    }
}

impl Sink for StorePlan {
    fn send<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<Receipt, SendError>> {
        Box::pin(async move {
            let mut ids = Sha256::new();
            events.iter().for_each(|event| ids.update(format!("{}\n", event.id)));
            let name: String = ids.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
            self.send_at(&name, events).await
        })
    }

    fn keeps_places(&self) -> bool {
        true
    }

    fn send_at<'a>(&'a self, place: &'a str, events: &'a [Event]) -> BoxFuture<'a, Result<Receipt, SendError>> {
        Box::pin(async move {
            // Each is packed when it has its turn.
            let puts: Vec<_> = objects::of(events).into_iter().map(|object| self.put(place, object)).collect();
            futures::stream::iter(puts).buffer_unordered(SIDE_BY_SIDE).try_collect::<()>().await?;
            Ok(Receipt::default())
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<String, SendError>> {
        Box::pin(async {
            match self.store.list(Some(&self.prefix)).next().await {
                None | Some(Ok(_)) => {
                    Ok("the bucket answers; whether it may be written is seen with the first events".to_owned())
                }
                // Keys that may only write are as they should be.
                Some(Err(error)) if MAY_NOT_LIST.iter().any(|code| error.to_string().contains(code)) => {
                    Ok("the bucket may not be listed, which is not needed; writing is seen with the first events"
                        .to_owned())
                }
                Some(Err(error)) => Err(refusal(&error)),
            }
        })
    }
}

fn refusal(error: &Error) -> SendError {
    // What lies around the innermost cause is the address, with the whole name of the object.
    let words: String = crate::log::plain(&crate::net::cause(error)).chars().take(TOLD).collect();
    match error {
        Error::NotFound { .. } | Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
            SendError::closed(words, REMEDY)
        }
        Error::InvalidPath { .. } | Error::NotSupported { .. } | Error::NotImplemented { .. } => {
            SendError::closed(words, "mend `url` of the sink")
        }
        _ if WRONG.iter().chain(MAY_NOT_LIST).any(|code| words.contains(code)) => SendError::closed(words, REMEDY),
        _ => SendError::later(words),
    }
}
