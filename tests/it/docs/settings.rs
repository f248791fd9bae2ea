//! Each block of settings in a page, and each settings file that is deployed, is understood.

use std::path::Path;

use host_harness::config::{Config, Setup};

use super::page::{Page, ROOT, walk};

/// What stands for a secret or another value from elsewhere.
const SECRET: &str = "fake-secret-of-the-example";

/// Where an example is read.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        std::fs::write(&secret, SECRET).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        Self(folder)
    }

    /// With values that stand elsewhere in a file that is there, and with the integration that a fragment leaves out.
    fn readable(&self, text: &str) -> String {
        let elsewhere = format!("{{ file = \"{}\" }}", self.0.path().join("secret").display());
        let mut lines = Vec::new();
        for line in text.lines() {
            // Files of certificates are read when the table is, and are not there for a test.
            if line.contains(".pem\"") || line.trim_start().starts_with("key_file") {
                continue;
            }
            // Where a key of secrets is, is only noted.
            let source = ["{ env = ", "{ file = "].into_iter().find_map(|mark| line.find(mark));
            match source.filter(|_| !line.trim_start().starts_with("key ")) {
                Some(begin) => {
                    let end = begin + line[begin..].find('}').unwrap() + 1;
                    lines.push(format!("{}{elsewhere}{}", &line[..begin], &line[end..]));
                }
                None => lines.push(line.to_owned()),
            }
            let is_fragment =
                matches!(line.trim(), "[admin]" | "[compliance_officer]") && !has_client(text, line.trim());
            if is_fragment {
                lines.push(format!("client_id = \"C0123\"\nclient_secret = {elsewhere}"));
            }
        }
        lines.join("\n")
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, self.readable(text)).unwrap();
    }
}

/// Whether the table with this heading says who signs in.
fn has_client(text: &str, heading: &str) -> bool {
    let table = text.split(heading).nth(1).unwrap_or_default();
    table.split("\n[").next().is_some_and(|table| table.contains("client_id"))
}

#[track_caller]
fn check(place: &str, text: &str) {
    let folder = Folder::new();
    let config = Config::parse(&folder.readable(text), &folder.0.path().join("webex.toml"));
    // A build without the feature says how to get one with it, after it has looked at the rest.
    if config.as_ref().is_err_and(|error| error.to_string().contains("this build has no Kafka")) {
        return;
    }
    assert!(config.is_ok(), "{place}: {}\n{text}", config.unwrap_err());
}

/// The file that a block stands for, by its first line.
fn file(text: &str) -> Option<&str> {
    let name = text.lines().next()?.strip_prefix("# ")?;
    name.ends_with(".toml").then_some(name)
}

#[test]
fn each_block_of_settings_is_understood() {
    let mut seen = 0;
    for page in Page::all() {
        let blocks = page.blocks();
        let settings: Vec<_> = blocks.iter().filter(|block| block.info == "toml").collect();
        seen += settings.len();
        let (files, others): (Vec<_>, Vec<_>) = settings.into_iter().partition(|block| file(&block.text).is_some());
        for block in others {
            check(&format!("{}:{}", page.name(), block.line), &block.text);
        }
        if !files.is_empty() {
            let folder = Folder::new();
            files.iter().for_each(|block| folder.write(file(&block.text).unwrap(), &block.text));
            let Setup::Many(tenants) = Setup::load(&folder.0.path().join("webex.toml")).unwrap() else {
                panic!("{} shows files of many tenants", page.name())
            };
            for name in tenants.list().unwrap().tenants.keys() {
                let read = tenants.config(name);
                assert!(read.is_ok(), "{}: {:?}", page.name(), read.err());
            }
        }
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn each_settings_file_that_is_deployed_is_understood() {
    let mut seen = 0;
    walk(Path::new("deploy"), &mut |path| {
        if path.file_name().is_some_and(|name| name == "webex.toml") {
            seen += 1;
            check(&path.display().to_string(), &std::fs::read_to_string(Path::new(ROOT).join(&path)).unwrap());
        }
    });
    assert_eq!(seen, 3);
}
