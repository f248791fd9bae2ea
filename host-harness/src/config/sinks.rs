//! The tables `[[sink]]`: which keys each may hold is its kind's to say.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{self, Given as Where, Key, Shown, Target};
use super::reader::{Found, Part, Reader};
use super::{ConfigError, nearest, tenants, value};
use crate::sink::{COMMON, Given, SetupError, SinkKey, SinkName, SinkTable, Value, ValueKind};

const TYPE: &str = "type";
const TENANT_FIELD: &str = "tenant_field";

impl Reader<'_> {
    pub(super) fn sinks(&self, value: &Spanned<DeValue<'_>>, found: &mut Found) -> Result<(), ConfigError> {
        if matches!(self.part, Part::Defaults) {
            let problem = format!("sinks that tenants share stand outside of [{}]", tenants::DEFAULTS);
            return Err(self.refused(value.span(), problem));
        }
        let Some(sinks) = value.get_ref().as_array() else {
            return Err(self.refused(value.span(), "`sink` must be written in double brackets"));
        };
        for sink in sinks {
            let Some(table) = sink.get_ref().as_table() else {
                return Err(self.refused(sink.span(), "a sink must be a table"));
            };
            let taken: Vec<SinkName> = found.sinks.iter().map(|sink| sink.name.clone()).collect();
            let (read, has_secret) = self.sink(table, &sink.span(), &taken)?;
            if has_secret {
                found.secret_files.insert(self.path.to_owned());
            }
            if found.sinks.iter().any(|other| other.plan.place() == read.plan.place() && other.streams == read.streams)
            {
                return Err(self.refused(sink.span(), "two sinks send the same to the same place"));
            }
            found.sinks.push(read);
        }
        Ok(())
    }

    /// One table, and whether a secret stands in it.
    fn sink(
        &self,
        table: &DeTable<'_>,
        span: &Range<usize>,
        taken: &[SinkName],
    ) -> Result<(SinkTable, bool), ConfigError> {
        let kind = match table.get(TYPE) {
            Some(name) => {
                let known = SinkTable::kind(value::literal(name).unwrap_or_default());
                known.map_err(|error| self.refused(name.span(), error.problem))?
            }
            None => return Err(self.refused(span.clone(), "a sink needs `type`")),
        };
        let (mut values, mut has_secret) = (BTreeMap::new(), false);
        for (name, value) in table {
            let text: &str = name.get_ref();
            let Some(key) = SinkTable::key(kind, text) else {
                let known = COMMON.iter().chain(kind.own_keys()).map(|key| key.name);
                let (place, key) = (self.place(&name.span()), format!("sink.{text}"));
                return Err(ConfigError::Unknown { place, key, hint: nearest::hint(text, known) });
            };
            if key.name == TENANT_FIELD && matches!(self.part, Part::Whole) {
                return Err(self.refused(value.span(), "`tenant_field` is for many tenants, and there is one"));
            }
            let read = read(value.get_ref(), key, self.folder()).map_err(|source| ConfigError::Value {
                place: self.place(&value.span()),
                key: format!("sink.{text}"),
                source,
            })?;
            has_secret |= is_written_here(value.get_ref(), key.kind);
            if let Some(read) = read {
                values.insert(key.name, read);
            }
        }
        let place = |key: &str| self.place(&table.get(key).map_or_else(|| span.clone(), Spanned::span));
        let refused =
            |SetupError { key, problem }: SetupError| ConfigError::SinkKey { place: place(key), key, problem };
        let given = Given::new(values, self.folder().to_owned());
        let read = SinkTable::new(kind, &given, taken).map_err(refused)?;
        if matches!(self.part, Part::Tenant) && read.direct() == Some(Path::new("-")) {
            let problem = "standard output is one for all tenants, so it is named in webex.toml";
            return Err(self.refused(span.clone(), problem));
        }
        Ok((read, has_secret))
    }

    fn refused(&self, span: Range<usize>, problem: impl Into<String>) -> ConfigError {
        ConfigError::Sink { place: self.place(&span), problem: problem.into() }
    }
}

/// A value of this key; none where nothing is filled in.
fn read(value: &DeValue<'_>, key: &SinkKey, folder: &Path) -> Result<Option<Value>, value::ValueError> {
    let each = |kind: ValueKind, table: &DeTable<'_>| {
        let read = |(name, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
            let name: &std::borrow::Cow<'_, str> = name.get_ref();
            let inner = SinkKey { kind, ..*key };
            Ok(self::read(value.get_ref(), &inner, folder)?.map(|value| (name.to_string(), value)))
        };
        let values: Result<Vec<_>, _> = table.iter().map(read).collect();
        Ok(Some(Value::Table(values?.into_iter().flatten().collect())))
    };
    match (key.kind, value) {
        (ValueKind::Secret, _) => secret(value, folder),
        (ValueKind::Headers, DeValue::Table(table)) => each(ValueKind::Secret, table),
        (ValueKind::PerStream, DeValue::Table(table)) if !is_source(table) => each(ValueKind::Text, table),
        (kind, _) => {
            let text = value::text(value, plain(kind), folder)?;
            Ok((!text.is_empty()).then_some(Value::Text(text)))
        }
    }
}

/// `{ env = … }` or `{ file = … }`, and not a table of streams.
fn is_source(table: &DeTable<'_>) -> bool {
    table.len() == 1 && table.keys().all(|name| matches!(name.get_ref().as_ref(), "env" | "file"))
}

fn secret(value: &DeValue<'_>, folder: &Path) -> Result<Option<Value>, value::ValueError> {
    const KEY: Key = Key {
        path: keys::PROXY_PASSWORD,
        target: Target::Host,
        kind: keys::Kind::Secret,
        given: Where::Anywhere,
        needed: false,
        of_program: false,
        cortex: None,
        shown: Shown::Optional(None),
        help: None,
    };
    Ok(match value::read(value, &KEY, folder)? {
        Some(value::Value::Secret(secret)) => Some(Value::Secret(secret)),
        Some(value::Value::Text(_) | value::Value::InStore | value::Value::KeySource(_)) | None => None,
    })
}

/// How a value of this kind is written.
fn plain(kind: ValueKind) -> keys::Kind {
    match kind {
        ValueKind::Integer => keys::Kind::Integer,
        ValueKind::Boolean => keys::Kind::Boolean,
        ValueKind::Duration => keys::Kind::Duration,
        ValueKind::List => keys::Kind::List,
        ValueKind::Text
        | ValueKind::Size
        | ValueKind::Path
        | ValueKind::Choice(_)
        | ValueKind::Secret
        | ValueKind::PerStream
        | ValueKind::Headers => keys::Kind::Text,
    }
}

/// Whether a secret stands in the file itself.
fn is_written_here(value: &DeValue<'_>, kind: ValueKind) -> bool {
    match (kind, value) {
        (ValueKind::Secret, DeValue::String(text)) => !text.is_empty(),
        (ValueKind::Headers, DeValue::Table(table)) => {
            table.values().any(|value| is_written_here(value.get_ref(), ValueKind::Secret))
        }
        _ => false,
    }
}
