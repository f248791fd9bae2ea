//! The documentation says what the program does: tables are made from the code, settings in it are read, commands in it are run, links lead
//! somewhere. `UPDATE_DOCS=1 cargo test -p cisco-webex-plugin --test it docs` writes tables and output anew.

mod codes;
mod console;
mod help;
mod links;
mod page;
mod plugin_commands;
mod settings;
mod tables;

pub(crate) use page::with_table;
