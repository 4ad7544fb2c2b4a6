//! What the program says about itself.

use assert_cmd::Command;

/// Runs the program with 100 columns and nothing else in its environment.
fn said(arguments: &[&str], code: i32) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cse-server"));
    let output = command
        .args(arguments)
        .env_clear()
        .env("COLUMNS", "100")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    let (said, silent) = if code == 0 {
        (output.stdout, output.stderr)
    } else {
        (output.stderr, output.stdout)
    };
    assert_eq!(String::from_utf8(silent).unwrap(), "");
    String::from_utf8(said).unwrap()
}

#[test]
fn the_version_is_one_line() {
    let want = concat!("cse-server ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(said(&["--version"], 0), want);
}

#[test]
fn help_names_the_commands_and_the_exit_codes() {
    insta::assert_snapshot!(said(&["--help"], 0), @"
    Highly available replacement for the Container Service Extension server of Cloud Director

    Every replica polls VCD for cluster entities, claims work on them and creates Kubernetes clusters.
    Replicas share nothing but VCD: start as many as you like.

    Usage: cse-server <COMMAND>

    Commands:
      run         Run one replica until SIGTERM
      check       Tell whether a replica would work on this machine, and if not, what to do
      status      Show replicas, configuration and clusters, or one cluster, with servers up or down
      explain     Tell what is going on with a cluster, what it waits for, what failed and what to do
      events      Show everything that anybody has written about a cluster, in the order of time
      init        Prepare VCD for Kubernetes clusters, or bring what CSE 4.0 or 4.1 left there up to 4.2
      config      Show, check and change the configuration that all replicas share
      components  Show which versions clusters run against what the configuration says
      orphans     List what is left of clusters that no longer exist, and remove it on request
      backup      Write all cluster entities and the shared configuration to files, without secrets
      restore     Compare a backup with VCD and put back what is damaged or missing
      demo        Show clusters being created by several replicas on a simulated VCD
      sim         Run the simulated VCD alone until SIGTERM or Ctrl-C
      help        Print this message or the help of the given subcommand(s)

    Options:
      -h, --help
              Print help (see a summary with '-h')

      -V, --version
              Print version

    Exit codes:
       0  done
       1  something is left or to be done, configurations differ, or the demo broke a promise
      64  the command line is wrong
      69  VCD cannot be reached
      71  this machine cannot run the program
      76  VCD answers what this server cannot use
      77  VCD refuses the API token, or rights are missing
      78  the configuration is wrong: the file, or the entity vcdKeConfig in VCD
    ");
}

#[test]
fn help_on_a_replica_names_its_file() {
    insta::assert_snapshot!(said(&["run", "--help"], 0), @"
    Run one replica until SIGTERM

    Usage: cse-server run [OPTIONS]

    Options:
          --config <FILE>  The replica's own file: how to reach VCD; everything else is in VCD [env:
                           CSE_CONFIG=] [default: /etc/cse-server/cse-server.toml]
      -h, --help           Print help
    ");
}

#[test]
fn help_on_the_demo_names_its_defaults() {
    insta::assert_snapshot!(said(&["demo", "--help"], 0), @"
    Show clusters being created by several replicas on a simulated VCD

    Usage: cse-server demo [OPTIONS]

    Options:
          --time-scale <FACTOR>  How much faster than real time the simulated site and the replicas'
                                 clocks run (1 to 1000) [default: 40]
          --clusters <CLUSTERS>  How many clusters the tenants ask for [default: 6]
          --replicas <REPLICAS>  How many replicas share the work [default: 3]
          --seed <SEED>          Chooses names, sizes and delays; the same seed gives the same site
                                 [default: 1]
          --keep-running         Go on after the verdict, and print how to reach the simulator, until
                                 Ctrl-C
      -h, --help                 Print help
    ");
}

#[test]
fn a_wrong_command_line_is_64_with_a_hint() {
    let rows: [(&[&str], &str); 4] = [
        (&[], "Usage: cse-server <COMMAND>"),
        (&["runn"], "similar subcommand exists: 'run'"),
        (
            &["run", "--confg", "x"],
            "similar argument exists: '--config'",
        ),
        (&["demo", "--replicas", "0"], "0 is not in 1..=9"),
    ];
    for (arguments, want) in rows {
        let said = said(arguments, 64);
        assert!(said.contains(want), "{arguments:?}: {said}");
    }
}
