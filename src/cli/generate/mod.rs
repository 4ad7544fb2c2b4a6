//! `cse-server generate`: man pages and shell completions, from the command line itself.
//!
//! Flow: the definition of the command line and the sample configuration -> files in a directory.
//!
//! Invariants:
//! - What a package carries cannot be out of date: it is written by the very program that it describes.
//! - The same program writes the same bytes; no date, no environment.
//!
//! Not here: where the files belong (`Cargo.toml`, `systemd/package`).

mod program_page;
mod settings_page;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Command, CommandFactory, Subcommand};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff};

use super::Cli;
use super::exit::{Failure, SYSTEM};

/// Name of the program, its page and its completions.
const PROGRAM: &str = "cse-server";
/// What stands in the middle of the header of every page.
const MANUAL: &str = "Container Service Extension";

/// Arguments of the `generate` command.
#[derive(Clone, Debug, Args)]
pub(super) struct GenerateArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Debug, Subcommand)]
enum What {
    /// Man pages: one of the program, one of each command, one of the configuration file
    Man {
        /// Directory to write to; made if it is not there
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },
    /// Completions for bash, zsh and fish
    Completions {
        /// Directory to write to; made if it is not there
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },
}

/// Writes what is asked for.
pub(super) fn run(args: &GenerateArgs) -> Result<ExitCode, Failure> {
    let (dir, written) = match &args.what {
        What::Man { dir } => (dir, fs::create_dir_all(dir).and_then(|()| man_pages(dir))),
        What::Completions { dir } => (dir, fs::create_dir_all(dir).and_then(|()| completions(dir))),
    };
    let failed = |cause| Failure::new(SYSTEM, &Unwritten(dir.clone(), cause));
    written.map(|()| ExitCode::SUCCESS).map_err(failed)
}

/// The directory cannot be written to.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to {}", .0.display())]
struct Unwritten(PathBuf, #[source] io::Error);

fn man_pages(dir: &Path) -> io::Result<()> {
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    for command in visible(&program) {
        page_of(command, dir)?;
    }
    write(&dir.join(format!("{PROGRAM}.1")), |out| {
        program_page::write(&program, out)
    })?;
    write(&dir.join(format!("{PROGRAM}.toml.5")), |out| {
        settings_page::write(out)
    })
}

/// The page of a command, and those of the commands below it.
fn page_of(command: &Command, dir: &Path) -> io::Result<()> {
    for inner in visible(command) {
        page_of(inner, dir)?;
    }
    let man = Man::new(command.clone()).manual(MANUAL);
    let path = dir.join(man.get_filename());
    write(&path, |out| {
        man.render(out)?;
        let mut roff = Roff::new();
        roff.control("SH", ["SEE ALSO"]);
        roff.text([
            page(PROGRAM),
            see(1, ", "),
            page("cse-server.toml"),
            see(5, ""),
        ]);
        roff.to_writer(out)
    })
}

fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    let inner = command.get_subcommands();
    inner.filter(|inner| !inner.is_hide_set() && inner.get_name() != "help")
}

fn completions(dir: &Path) -> io::Result<()> {
    // As the shells look for them: by the program's name, behind an underscore in zsh.
    let files = [
        (Shell::Bash, "cse-server.bash"),
        (Shell::Zsh, "_cse-server"),
        (Shell::Fish, "cse-server.fish"),
    ];
    for (shell, name) in files {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), PROGRAM, &mut text);
        write(&dir.join(name), |out| out.write_all(&text))?;
    }
    Ok(())
}

fn write(path: &Path, text: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    text(&mut out)?;
    out.flush()
}

/// The name of a page, as references spell it.
fn page(name: &str) -> Inline {
    clap_mangen::roff::bold(name)
}

/// The section behind a page's name, and what follows.
fn see(section: u8, then: &str) -> Inline {
    clap_mangen::roff::roman(format!("({section}){then}"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn every_visible_command_has_a_page_that_the_programs_page_names() {
        let dir = tempfile::tempdir().unwrap();
        man_pages(dir.path()).unwrap();
        let main = fs::read_to_string(dir.path().join("cse-server.1")).unwrap();
        let program = Cli::command();
        let commands: Vec<&str> = visible(&program).map(Command::get_name).collect();
        assert!(commands.len() >= 3 && !commands.contains(&"generate"));
        let names = names(dir.path());
        for command in commands {
            let page = format!("cse-server-{command}.1");
            assert!(names.contains(&page), "{names:?}");
            let listed = format!("cse\\-server\\-{command}(1)");
            assert!(main.contains(&listed), "{listed}: {main}");
        }
        assert!(names.contains(&"cse-server.toml.5".to_owned()));
    }

    #[test]
    fn each_shell_gets_completions_that_know_the_options() {
        let dir = tempfile::tempdir().unwrap();
        completions(dir.path()).unwrap();
        assert_eq!(
            names(dir.path()),
            ["_cse-server", "cse-server.bash", "cse-server.fish"]
        );
        for name in names(dir.path()) {
            let text = fs::read_to_string(dir.path().join(&name)).unwrap();
            assert!(text.contains("token-file"), "{name}");
        }
    }
}
