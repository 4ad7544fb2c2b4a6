//! The claim protocol, every reachable state of it, on the daemon's own step functions.
//!
//! Here: every configuration is looked at, and every mutant; the two cases and their figures.
//!
//! Nobody has a clock: a takeover, a late request, a pause may come at any time. Left out are guests' phases (one
//! step), the estate (one vApp), preflight (passes), pure heartbeats, tasks (an effect is there at once). Faults are
//! bounded, numbers are not: no state is left out because an id or an incarnation was used up.
//!
//! `CONVERGENCE=all` allows one fault or two more in each configuration; `CONVERGENCE_WORLD="<name>"` looks at one.

#![expect(
    clippy::trivially_copy_pass_by_ref,
    clippy::large_types_passed_by_value,
    clippy::struct_excessive_bools,
    reason = "states are plain values, and their flags are facts of their own"
)]

mod daemon;
mod explore;
mod few;
mod moves;
mod mutants;
mod shape;
mod site;
mod state;
mod worlds;

use libtest_mimic::Trial;

use crate::effort::{everything, parallel, trial};
use crate::figures;
use explore::{Found, explore};
use mutants::{MUTANTS, Mutant};
use worlds::{WORLDS, World};

/// More states than any configuration has.
const MOST: usize = 60_000_000;
/// States in which a mutant must have been caught.
const MOST_OF_A_MUTANT: usize = 4_000_000;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "model::every_reachable_state_is_safe_and_can_reach_a_good_one",
            every_world,
        ),
        trial(
            "model::a_protocol_without_one_of_its_rules_is_caught",
            every_mutant,
        ),
    ]
}

/// The configurations to look at: all of them, or the one that is asked for.
fn chosen() -> Vec<World> {
    let wanted = std::env::var("CONVERGENCE_WORLD").ok();
    let is_wanted = |world: &&World| wanted.as_ref().is_none_or(|name| world.name == name);
    let chosen: Vec<World> = WORLDS.iter().filter(is_wanted).copied().collect();
    assert!(!chosen.is_empty(), "no configuration is named {wanted:?}");
    chosen
}

fn together(world: &World) -> u8 {
    let (some, all) = world.together;
    if everything() { all } else { some }
}

fn every_world() {
    let worlds = chosen();
    let look = |world: &World| {
        let bounds = world.bounds(together(world), None);
        explore(&world.first(), &bounds, &mut world.daemon(None), MOST)
    };
    // Several of the largest at once need more memory than a machine has.
    let found = if everything() {
        worlds.iter().map(look).collect()
    } else {
        parallel(&worlds, look)
    };
    let rows = worlds.iter().zip(&found).map(row);
    let all: usize = found.iter().map(|found| found.states).sum();
    let sum = ["all", "", "", &all.to_string(), "", "", "", ""]
        .map(str::to_owned)
        .to_vec();
    let title = "Model of the claim protocol: every reachable state of each configuration";
    let columns = [
        "configuration",
        "replicas",
        "faults, at most",
        "states",
        "depth",
        "safety",
        "stuck states",
        "with an empty vApp left",
    ];
    figures::add(title, &columns, rows.chain([sum]));
    let failures: Vec<String> = worlds.iter().zip(&found).filter_map(failure).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    // A model that has come to a standstill by mistake proves nothing.
    for (world, found) in worlds.iter().zip(&found) {
        assert!(
            found.depth > 15 && found.states > 1_000,
            "{}: {found:?}",
            world.name
        );
    }
    let whole = worlds.len() == WORLDS.len();
    let least = if everything() { 50_000_000 } else { 2_000_000 };
    assert!(!whole || all >= least, "only {all} states were looked at");
}

fn row((world, found): (&World, &Found)) -> Vec<String> {
    let faults = world.faults.iter();
    let faults = faults.map(|(fault, times)| format!("{fault:?} {times}").to_lowercase());
    let faults = faults.collect::<Vec<_>>().join(", ");
    vec![
        world.name.to_owned(),
        world.replicas.to_string(),
        format!("{faults}; {} together", together(world)),
        found.states.to_string(),
        found.depth.to_string(),
        found
            .broken
            .as_ref()
            .map_or("holds", |(broken, _)| broken)
            .to_owned(),
        found.stuck.to_string(),
        found.residue.to_string(),
    ]
}

fn failure((world, found): (&World, &Found)) -> Option<String> {
    let (what, way) = match &found.broken {
        Some((broken, way)) => ((*broken).to_owned(), way),
        None if found.cut => (format!("more than {MOST} states"), &found.stuck_trace),
        None if found.stuck > 0 => {
            let what = format!(
                "{} states cannot reach a good one; the nearest",
                found.stuck
            );
            (what, &found.stuck_trace)
        }
        None => return None,
    };
    Some(format!(
        "{}: {what}:\n  {}\nto see it again: CONVERGENCE_WORLD=\"{}\"{} cargo test --test convergence -- model::every\n",
        world.name,
        way.join("\n  "),
        world.name,
        if everything() { " CONVERGENCE=all" } else { "" },
    ))
}

fn every_mutant() {
    let found = parallel(MUTANTS, |(mutant, _, name)| {
        let world = WORLDS.iter().find(|world| world.name == *name).unwrap();
        let bounds = world.bounds(world.together.0, Some(*mutant));
        let mut daemon = world.daemon(Some(*mutant));
        explore(&world.first(), &bounds, &mut daemon, MOST_OF_A_MUTANT)
    });
    let verdict = |found: &Found| match &found.broken {
        Some((broken, way)) => format!("{broken}, after {} moves", way.len()),
        None if found.stuck > 0 => {
            let way = found.stuck_trace.len();
            format!(
                "{} stuck states, the nearest after {way} moves",
                found.stuck
            )
        }
        None => "not caught".to_owned(),
    };
    let rows = MUTANTS
        .iter()
        .zip(&found)
        .map(|((mutant, rule, world), found)| {
            let states = found.states.to_string();
            let world = (*world).to_owned();
            vec![
                format!("{mutant:?}"),
                (*rule).to_owned(),
                world,
                states,
                verdict(found),
            ]
        });
    let columns = [
        "mutant",
        "the rule it leaves out",
        "configuration",
        "states",
        "caught by",
    ];
    figures::add("Mutants of the claim protocol", &columns, rows);
    let caught = |found: &&Found| found.broken.is_some() || found.stuck > 0;
    let free: Vec<&Mutant> = MUTANTS
        .iter()
        .zip(&found)
        .filter(|(_, found)| !caught(found))
        .map(|((mutant, ..), _)| mutant)
        .collect();
    assert!(free.is_empty(), "these mutants are not caught: {free:?}");
}
