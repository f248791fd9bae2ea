//! `completions`: a shell's script, from the command line itself and from what the plugin offers.

use clap::builder::PossibleValuesParser;
use clap::{Arg, Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, CliError, Exit, Global, output, session};

/// The subcommands whose first argument is a command of the plugin, and that argument's name.
const OF_PLUGIN: [(&str, &str); 2] = [("run", "name"), ("commands", "name")];

#[derive(Debug, Args)]
pub(super) struct Options {
    /// For which shell, as: webex-collector completions bash > /etc/bash_completion.d/webex-collector
    shell: Shell,
}

pub(super) async fn run(global: &Global, options: &Options) -> Result<Exit, CliError> {
    let commands = session::plugin(global)?.list_commands().await?;
    output::result(&script(options.shell, commands.into_iter().map(|command| command.name)))?;
    Ok(Exit::Done)
}

fn script(shell: Shell, commands: impl Iterator<Item = String>) -> String {
    // The script is run by the shell of whoever installs it, and the names may be those of any component.
    let is_plain = |name: &String| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    // The parser wants names that last; the program ends with the script.
    let commands: Vec<&'static str> = commands.filter(is_plain).map(|name| &*name.leak()).collect();
    let known = || PossibleValuesParser::new(commands.clone());
    let mut line = OF_PLUGIN.into_iter().fold(Cli::command(), |line, (subcommand, argument)| {
        let of_plugin = |one: Arg| if one.get_id() == argument { one.value_parser(known()) } else { one };
        line.mut_subcommand(subcommand, |line| line.mut_args(of_plugin))
    });
    let name = line.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut line, name, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn each_shell_completes_commands_and_some_the_plugins_too() {
        for shell in Shell::value_variants() {
            let script = script(*shell, ["fake-webex-status".to_owned(), "$(evil)".to_owned()].into_iter());
            assert!(script.contains("deadletter") && script.contains("log-format"), "{shell}");
            assert!(!script.contains("evil"), "{shell}: what a shell might run is left out");
            // The scripts for the others complete no values of arguments.
            let completes_values = matches!(shell, Shell::Bash | Shell::Zsh);
            assert_eq!(script.contains("fake-webex-status"), completes_values, "{shell}");
        }
    }
}
