//! The words that may stand in some places only, as data, and how a line is searched for them.

/// A text file of the repository.
pub(crate) struct Source {
    /// Relative to the top, with forward slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Words that must not stand in some places.
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    /// Path prefixes where the rule holds, separated by blanks.
    pub(crate) within: &'static str,
    /// Path prefixes below `within` where it does not, because that is the place for it.
    except: &'static str,
    /// A word matches as a whole: `Instant` does not match `Instantiate`.
    pub(crate) words: &'static str,
    /// Whether test code is free to use the words.
    production_only: bool,
}

pub(crate) const RULES: &[Rule] = &[
    Rule {
        name: "the core does not wait, log or draw lots",
        within: "src/domain/ src/reconcile/ src/bootstrap/",
        except: "",
        words: "async await tokio tracing Clock Instant SystemTime fastrand Timestamp::now",
        production_only: false,
    },
    Rule {
        name: "the core knows no machine: no environment, files, network, threads, processes",
        within: "src/domain/ src/reconcile/ src/bootstrap/",
        except: "",
        words: "std::env std::fs TcpStream TcpListener UdpSocket ToSocketAddrs std::thread \
            std::process",
        // The scripts of the bootstrap machine are tested by running them.
        production_only: true,
    },
    Rule {
        name: "only the wire, the figures and the simulator name HTTP crates",
        within: "src/",
        except: "src/vcd/ src/sim/ src/metrics/server.rs",
        words: "reqwest axum axum_server hyper wiremock http::",
        production_only: true,
    },
    Rule {
        name: "only one place speaks to a Kubernetes API",
        within: "src/",
        except: "src/agent/kubernetes.rs",
        words: "kube:: k8s_openapi",
        production_only: true,
    },
    Rule {
        name: "the agent decides without waiting, logging or reading the time",
        within: "src/agent/compare.rs src/agent/conflict.rs src/agent/findings.rs src/agent/judge.rs \
            src/agent/kinds.rs src/agent/plan.rs src/agent/report.rs",
        except: "",
        words: "async await tokio tracing Clock Instant SystemTime fastrand Timestamp::now kube:: \
            crate::vcd crate::sim crate::controller crate::config",
        production_only: true,
    },
    Rule {
        name: "the agent is no part of the server",
        within: "src/bootstrap/ src/controller/ src/domain/ src/reconcile/ src/vcd/",
        except: "",
        words: "crate::agent",
        production_only: true,
    },
    Rule {
        name: "only the clock reads time and waits",
        within: "src/",
        // HTTP time limits are real seconds at every time scale.
        except: "src/clock.rs src/vcd/http.rs",
        words: "Instant::now SystemTime Timestamp::now Zoned::now clock_gettime elapsed() \
            tokio::time time::sleep time::timeout time::interval",
        production_only: true,
    },
    Rule {
        name: "only one place draws lots that no seed repeats",
        within: "src/",
        // The demo's directory has a random name; its site comes from the seed.
        except: "src/chance.rs src/demo/",
        words: "new_v4 fastrand::Rng::new fastrand::u64 fastrand::u128 fastrand::usize \
            getrandom RandomState thread_rng",
        production_only: true,
    },
    Rule {
        name: "nobody blocks a thread to wait, and tests wait for a condition, not for a time",
        within: "src/ tests/ benches/",
        except: "src/clock.rs tests/it/support/",
        words: "thread::sleep time::sleep",
        production_only: false,
    },
    Rule {
        name: "only the start-up reads the environment",
        within: "src/",
        except: "src/config/ src/notify.rs src/state_dir.rs src/cli/ \
            src/main.rs src/demo/",
        words: "env::var env::vars env::args env::current_dir env::current_exe env::temp_dir \
            env::set_var",
        production_only: true,
    },
    Rule {
        name: "only the command line sets the exit code",
        within: "src/",
        except: "src/main.rs src/bin/ src/cli/ src/agent/cli.rs src/demo/mod.rs",
        words: "process::exit ExitCode",
        production_only: true,
    },
    Rule {
        name: "domain knows nobody",
        within: "src/domain/",
        except: "",
        words: "crate::vcd crate::sim crate::reconcile crate::controller crate::config",
        production_only: false,
    },
    Rule {
        name: "reconcile and bootstrap know the domain only",
        within: "src/reconcile/ src/bootstrap/",
        except: "",
        words: "crate::vcd crate::sim crate::controller crate::config",
        production_only: true,
    },
    Rule {
        name: "the wire does not know who uses it",
        within: "src/vcd/",
        except: "",
        words: "crate::sim crate::reconcile crate::controller crate::config",
        production_only: true,
    },
    Rule {
        name: "the simulator is used by tests and the demo only, and knows no controller",
        within: "src/",
        except: "src/sim/ src/demo/ src/cli/sim.rs src/lib.rs src/main.rs",
        words: "crate::sim cse_server::sim",
        production_only: true,
    },
    Rule {
        name: "the simulator knows no controller",
        within: "src/sim/",
        except: "",
        words: "crate::controller crate::reconcile crate::bootstrap crate::config",
        production_only: true,
    },
    Rule {
        name: "nothing is unfinished or switched off",
        within: "src/ tests/ benches/",
        except: "",
        words: "FIXME XXX todo! unimplemented! dbg! #[ignore assert!(true)",
        production_only: false,
    },
];

impl Rule {
    pub(crate) fn holds_in(&self, path: &str) -> bool {
        let below = |list: &str| {
            list.split_whitespace()
                .any(|prefix| path.starts_with(prefix))
        };
        // These files spell the banned words.
        !path.starts_with("tests/tidy") && below(self.within) && !below(self.except)
    }

    pub(crate) fn violations(&self, source: &Source) -> Vec<String> {
        let is_test_file = source.path.ends_with("tests.rs");
        if self.production_only && is_test_file {
            return Vec::new();
        }
        let stop = |line: &str| self.production_only && line == "mod tests {";
        let lines = source.text.lines().enumerate();
        let mut found = Vec::new();
        for (number, line) in lines.take_while(|(_, line)| !stop(line)) {
            for word in self
                .words
                .split_whitespace()
                .filter(|word| has_word(code(line), word))
            {
                found.push(format!(
                    "{}:{}: `{word}`: {}",
                    source.path,
                    number + 1,
                    self.name
                ));
            }
        }
        found
    }
}

/// The line without its comment. A `//` behind a colon is part of an address.
fn code(line: &str) -> &str {
    let comment = line
        .match_indices("//")
        .find(|(at, _)| !line.get(..*at).is_some_and(|before| before.ends_with(':')));
    // Notes to oneself stand in comments: they count wherever they are.
    let keep = ["FIXME", "XXX"].iter().any(|word| has_word(line, word));
    match comment {
        Some((at, _)) if !keep => line.get(..at).unwrap_or(line),
        _ => line,
    }
}

pub(crate) fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let after = line
            .get(at + word.len()..)
            .and_then(|text| text.chars().next());
        // `http::` is the crate, `vcd::http::` a module of ours.
        let inner = word.ends_with("::") && before == Some(':');
        let open = inner || is_part(word.chars().next()) && is_part(before);
        let close = is_part(word.chars().next_back()) && is_part(after);
        !open && !close
    })
}
