//! One value of a settings file changed by the program; whatever a person has written around it stays.

use std::fs;
use std::path::Path;

use toml_edit::{DocumentMut, Item, Table, Value};
use zeroize::Zeroizing;

use super::keys::Key;
use super::{ConfigError, Place};
use crate::durable::{self, DurableError};

/// Puts a text under a key, in place of what stood there. Comments, order and rights of the file stay.
///
/// # Errors
/// See [`ConfigError`]; the file is then as it was.
pub fn set_text(path: &Path, key: &Key, value: &str) -> Result<(), ConfigError> {
    // Through a link: it stays, and the file behind it is changed.
    let file = fs::canonicalize(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    let text = super::tenants::read(&file)?;
    let changed = Zeroizing::new(with_text(&text, path, key, value)?);
    let rights = fs::metadata(&file).map(|metadata| metadata.permissions());
    let written = durable::replace(&file, changed.as_bytes()).and_then(|()| match rights {
        Ok(rights) => fs::set_permissions(&file, rights).map_err(DurableError::io("keep the rights of", &file)),
        Err(_) => Ok(()),
    });
    written.map_err(|source| ConfigError::Unwritable { key: key.path, source: Box::new(source) })
}

/// The text with the value in it.
fn with_text(text: &str, path: &Path, key: &Key, value: &str) -> Result<String, ConfigError> {
    let top = || Place::top_of(path);
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| ConfigError::Syntax {
        place: top(),
        message: error.message().to_owned(),
    })?;
    let (table, name) = key.parts();
    let keys = match table {
        "" => Some(document.as_table_mut() as &mut dyn toml_edit::TableLike),
        table => document.entry(table).or_insert(Item::Table(Table::new())).as_table_like_mut(),
    };
    let keys = keys.ok_or_else(|| ConfigError::NotATable { place: top(), key: table.to_owned() })?;
    match keys.get_mut(name).and_then(Item::as_value_mut) {
        Some(known) => {
            let around = known.decor().clone();
            *known = Value::from(value);
            *known.decor_mut() = around;
        }
        None => drop(keys.insert(name, toml_edit::value(value))),
    }
    Ok(document.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;
    use crate::config::keys;

    fn changed(text: &str) -> String {
        with_text(text, Path::new("webex.toml"), keys::of_path("admin.org_id").unwrap(), "Y2lz").unwrap()
    }

    #[test]
    fn a_value_is_changed_and_everything_around_it_stays() {
        let text = "# top\nbase_url = 'x'   # mine\n\n[admin]\n# the organization\norg_id   = \"\" # fill in\nclient_id = \"c\"\n\n# end\n";
        assert_eq!(changed(text), text.replace("org_id   = \"\"", "org_id   = \"Y2lz\""));
    }

    #[test]
    fn a_key_or_a_table_that_is_missing_is_added() {
        assert_eq!(
            changed("[admin]\nclient_id = \"c\"\n[collect]\n"),
            "[admin]\nclient_id = \"c\"\norg_id = \"Y2lz\"\n[collect]\n"
        );
        assert_eq!(changed("state_dir = \"s\"\n"), "state_dir = \"s\"\n\n[admin]\norg_id = \"Y2lz\"\n");
        assert_eq!(changed("admin = { client_id = \"c\" }\n"), "admin = { client_id = \"c\" , org_id = \"Y2lz\" }\n");
    }

    #[cfg(unix)]
    #[test]
    fn the_rights_of_the_file_and_a_link_to_it_stay() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("real.toml"), folder.path().join("webex.toml"));
        fs::write(&file, "[admin]\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("real.toml", &link).unwrap();
        set_text(&link, keys::of_path("admin.org_id").unwrap(), "Y2lz").unwrap();
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_to_string(&file).unwrap(), "[admin]\norg_id = \"Y2lz\"\n");
    }
}
