//! What each path of the control API does.

use std::path::PathBuf;
use std::time::Duration;

use http::Method;
use jiff::fmt::serde::unsigned_duration::friendly::compact::optional;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Asked, Operator, Refused, past};
use crate::sim::levers::{Action, FaultOrder, Lever, Scenario};
use crate::sim::request_log::Wanted;
use crate::sim::state::file;
use crate::sim::world::{World, lock};

/// Lines of the request log in an answer, unless told otherwise.
const LINES: usize = 100;

/// Method, path, body or query, and what it does: the answer to `GET /`.
pub(crate) const ROUTES: [(&str, &str, &str); 29] = [
    ("GET", "/", "this list"),
    (
        "GET",
        "/site",
        "address, clock and sizes; names, ids and tokens of the site",
    ),
    ("GET", "/clusters", "all clusters and who holds them"),
    ("GET", "/leaks", "objects that no cluster accounts for"),
    (
        "GET",
        "/verdicts",
        "what replicas have done against the rules",
    ),
    (
        "GET",
        "/history",
        "what was done to clusters and their objects; ?limit= after= entity=",
    ),
    (
        "GET",
        "/requests",
        "the latest requests; ?limit= method= path= user= caller= status= after=",
    ),
    ("DELETE", "/requests", "forgets requests and counters"),
    (
        "GET",
        "/counters",
        "requests by endpoint and status; status 0 stands for no answer",
    ),
    (
        "GET",
        "/faults",
        "what is armed, and how often it has struck",
    ),
    (
        "POST",
        "/faults",
        r#"arms a fault: {"what": {"refused": "busy"}, "method": "PUT", "times": 3}"#,
    ),
    ("DELETE", "/faults", "disarms all faults"),
    ("DELETE", "/faults/{id}", "disarms one fault"),
    (
        "POST",
        "/levers",
        r#"does one action: {"limit_pool": {"network": "acme-net", "free": 0}}"#,
    ),
    ("GET", "/scenarios", "what runs, and what it has done"),
    (
        "POST",
        "/scenarios",
        "starts a scenario, as a file of config/scenarios (application/toml) or as JSON",
    ),
    (
        "DELETE",
        "/scenarios/{name}",
        "stops a scenario: what it has changed ends",
    ),
    (
        "GET",
        "/settings",
        "settings, timings and limits of sessions in force",
    ),
    (
        "PATCH",
        "/settings",
        r#"changes some: {"timings": {"recompose": "2m"}, "settings": {}, "sessions": {}}"#,
    ),
    ("GET", "/clock", "moment, date and scale"),
    (
        "PATCH",
        "/clock",
        r#"moves the clock on or changes its pace: {"step": "10m", "scale": 20}"#,
    ),
    ("GET", "/snapshots", "names, dates and sizes"),
    (
        "PUT",
        "/snapshots/{name}",
        "keeps all entities as they are now",
    ),
    (
        "POST",
        "/snapshots/{name}/restore",
        "brings all entities back, with newer versions",
    ),
    ("DELETE", "/snapshots/{name}", "forgets a snapshot"),
    ("GET", "/state", "where the state is kept"),
    (
        "POST",
        "/state/save",
        r#"writes the state file, or another one: {"file": "/path"}"#,
    ),
    (
        "POST",
        "/state/load",
        r#"goes on from a state file: {"file": "/path"}; faults are disarmed"#,
    ),
    (
        "GET",
        "/actions",
        "names of the actions that levers and scenarios know",
    ),
];

/// Answers one request.
pub(super) fn answer(operator: &Operator, asked: &Asked<'_>) -> Result<Value, Refused> {
    let path = asked.path();
    let filtered = [["requests"], ["history"]].iter().any(|one| path == one);
    if *asked.method != Method::GET || !filtered {
        asked.parameters(&[])?;
    }
    match path.as_slice() {
        [] if *asked.method == Method::GET => Ok(listing()),
        ["site" | "clusters" | "leaks" | "counters" | "actions"] => look(operator, asked),
        ["verdicts" | "history"] => past::answer(operator, asked),
        ["requests"] => requests(operator, asked),
        ["faults", rest @ ..] => faults(operator, asked, rest),
        ["levers"] => match *asked.method {
            Method::POST => pull(operator, &asked.json()?),
            _ => Err(Refused::method()),
        },
        ["scenarios", rest @ ..] => scenarios(operator, asked, rest),
        ["settings"] => settings(operator, asked),
        ["clock"] => clock(operator, asked),
        ["snapshots", rest @ ..] => snapshots(operator, asked, rest),
        ["state", rest @ ..] => state(operator, asked, rest),
        [] => Err(Refused::method()),
        _ => Err(Refused::missing("there is no such path; GET / lists all")),
    }
}

fn listing() -> Value {
    let rows = ROUTES
        .iter()
        .map(|(method, path, what)| json!({"method": method, "path": path, "does": what}));
    json!({
        "program": concat!("cse-server sim ", env!("CARGO_PKG_VERSION")),
        "paths": rows.collect::<Vec<Value>>(),
    })
}

/// The world, brought up to the present.
pub(super) fn with_world<T>(operator: &Operator, work: impl FnOnce(&mut World) -> T) -> T {
    let site = &operator.site;
    let mut world = lock(&site.world);
    world.advance(site.clock.now(), site.clock.wall());
    work(&mut world)
}

fn with_lever<T>(operator: &Operator, work: impl FnOnce(&mut Lever<'_>) -> T) -> T {
    let site = &operator.site;
    let mut world = lock(&site.world);
    let mut lever = Lever {
        world: &mut world,
        faults: &site.faults,
        at: (site.clock.now(), site.clock.wall()),
    };
    work(&mut lever)
}

fn pull(operator: &Operator, action: &Action) -> Result<Value, Refused> {
    Ok(with_lever(operator, |lever| lever.pull(action))?)
}

fn look(operator: &Operator, asked: &Asked<'_>) -> Result<Value, Refused> {
    if *asked.method != Method::GET {
        return Err(Refused::method());
    }
    let clock = clock_document(operator);
    Ok(with_world(operator, |world| {
        match asked.path().as_slice() {
            ["site"] => json!({
                "url": world.site,
                "clock": clock,
                "clusters": world.clusters().len(),
                "entities": world.entities.iter().count(),
                "vapps": world.infra.vapps.len(),
                "vms": world.infra.vms.len(),
                "sessions": world.sessions.iter().count(),
                "access": world.guide(),
            }),
            ["clusters"] => json!(world.clusters()),
            ["leaks"] => json!(world.leaks()),
            ["counters"] => json!(world.requests.counters()),
            _ => json!(Action::NAMES),
        }
    }))
}

fn requests(operator: &Operator, asked: &Asked<'_>) -> Result<Value, Refused> {
    match *asked.method {
        Method::GET => {
            asked.parameters(&[
                "limit", "method", "path", "user", "caller", "status", "after",
            ])?;
            let wanted = Wanted {
                method: asked.parameter("method")?,
                path: asked.parameter("path")?,
                user: asked.parameter("user")?,
                caller: asked.parameter("caller")?,
                status: asked.parameter("status")?,
                after: asked.parameter("after")?.unwrap_or_default(),
            };
            let limit = asked.parameter("limit")?.unwrap_or(LINES);
            Ok(with_world(operator, |world| {
                json!(world.requests.lines(&wanted, limit))
            }))
        }
        Method::DELETE => {
            with_world(operator, |world| world.requests.clear());
            Ok(json!({}))
        }
        _ => Err(Refused::method()),
    }
}

fn faults(operator: &Operator, asked: &Asked<'_>, rest: &[&str]) -> Result<Value, Refused> {
    let faults = &operator.site.faults;
    match (asked.method, rest) {
        (&Method::GET, []) => {
            let armed = faults.armed().into_iter().map(|one| {
                json!({
                    "id": one.id,
                    "scenario": one.label,
                    "what": one.fault,
                    "target": one.target.document(),
                    "seen": one.seen,
                    "struck": one.struck,
                })
            });
            Ok(json!({
                "armed": armed.collect::<Vec<Value>>(),
                "requests": faults.calls(),
                "struck": faults.struck(),
            }))
        }
        (&Method::POST, []) => {
            let order: FaultOrder = asked.json()?;
            pull(operator, &Action::Fault(order))
        }
        (&Method::DELETE, []) => {
            let disarmed = faults.armed().len();
            faults.disarm();
            Ok(json!({"disarmed": disarmed}))
        }
        (&Method::DELETE, [id]) => {
            let number: Option<u64> = id.parse().ok();
            match faults.disarm_where(|one| Some(one.id) == number) {
                0 => Err(Refused::missing(format!("there is no fault {id}"))),
                disarmed => Ok(json!({"disarmed": disarmed})),
            }
        }
        _ => Err(Refused::method()),
    }
}

fn scenarios(operator: &Operator, asked: &Asked<'_>, rest: &[&str]) -> Result<Value, Refused> {
    match (asked.method, rest) {
        (&Method::GET, []) => Ok(with_world(operator, |world| world.scenarios())),
        (&Method::POST, []) => {
            let scenario = match asked.toml()? {
                Some(text) => Scenario::parse(text),
                None => asked.json::<Scenario>()?.checked(),
            };
            let scenario = scenario.map_err(|error| Refused::bad("body", error))?;
            with_lever(operator, |lever| lever.start(&scenario))?;
            Ok(json!({"started": scenario.name}))
        }
        (&Method::DELETE, [name]) => {
            let stopped = with_lever(operator, |lever| lever.stop(name));
            if stopped {
                Ok(json!({"stopped": name}))
            } else {
                Err(Refused::missing(format!("no scenario {name:?} runs")))
            }
        }
        _ => Err(Refused::method()),
    }
}

/// Body of `PATCH /settings`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    #[serde(default)]
    settings: Map<String, Value>,
    #[serde(default)]
    timings: Map<String, Value>,
    #[serde(default)]
    sessions: Map<String, Value>,
}

fn settings(operator: &Operator, asked: &Asked<'_>) -> Result<Value, Refused> {
    match *asked.method {
        Method::GET => Ok(with_world(operator, |world| world.values())),
        Method::PATCH => {
            let patch: Patch = asked.json()?;
            let set = Action::Set {
                settings: patch.settings,
                timings: patch.timings,
                sessions: patch.sessions,
                lasts: None,
            };
            pull(operator, &set)
        }
        _ => Err(Refused::method()),
    }
}

/// Body of `PATCH /clock`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockPatch {
    #[serde(default, with = "optional")]
    step: Option<Duration>,
    scale: Option<f64>,
}

fn clock(operator: &Operator, asked: &Asked<'_>) -> Result<Value, Refused> {
    let clock = &operator.site.clock;
    match *asked.method {
        Method::GET => {}
        Method::PATCH => {
            let patch: ClockPatch = asked.json()?;
            if let Some(scale) = patch.scale
                && !clock.set_scale(scale)
            {
                return Err(Refused::bad(
                    "body",
                    "scale: not between 1 and 1000000, or not for this clock",
                ));
            }
            if let Some(step) = patch.step {
                clock.step(step);
                with_world(operator, |_| ());
            }
        }
        _ => return Err(Refused::method()),
    }
    Ok(clock_document(operator))
}

fn clock_document(operator: &Operator) -> Value {
    let clock = &operator.site.clock;
    json!({
        "moment_secs": clock.now().since_origin().as_secs_f64(),
        "date": clock.wall(),
        "scale": clock.scale(),
    })
}

fn snapshots(operator: &Operator, asked: &Asked<'_>, rest: &[&str]) -> Result<Value, Refused> {
    let no_such = |name: &str| Refused::missing(format!("there is no snapshot {name:?}"));
    match (asked.method, rest) {
        (&Method::GET, []) => Ok(with_world(operator, |world| {
            let all = world.snapshots().into_iter();
            all.map(|(name, taken, entities)| {
                json!({"name": name, "taken": taken, "entities": entities})
            })
            .collect()
        })),
        (&Method::PUT, [name]) => {
            let name = (*name).to_owned();
            pull(operator, &Action::Snapshot { name })
        }
        (&Method::POST, [name, "restore"]) => {
            let action = Action::Restore {
                name: (*name).to_owned(),
            };
            pull(operator, &action).map_err(|_cause| no_such(name))
        }
        (&Method::DELETE, [name]) => {
            if with_world(operator, |world| world.drop_snapshot(name)) {
                Ok(json!({}))
            } else {
                Err(no_such(name))
            }
        }
        _ => Err(Refused::method()),
    }
}

/// Body of `POST /state/...`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    file: Option<PathBuf>,
}

fn state(operator: &Operator, asked: &Asked<'_>, rest: &[&str]) -> Result<Value, Refused> {
    match (asked.method, rest) {
        (&Method::GET, []) => Ok(json!({"file": operator.state_file()})),
        (&Method::POST, ["save"]) => {
            let place: Place = asked.json_or_nothing()?;
            save(operator, place.file)
        }
        (&Method::POST, ["load"]) => {
            let place: Place = asked.json_or_nothing()?;
            load(operator, place.file)
        }
        _ => Err(Refused::method()),
    }
}

fn no_file() -> Refused {
    Refused::bad(
        "body",
        "file: none is given, and the simulator was started without --state",
    )
}

fn save(operator: &Operator, given: Option<PathBuf>) -> Result<Value, Refused> {
    with_world(operator, |_| ());
    let world = &operator.site.world;
    let told =
        |error: crate::sim::state::StateError| Refused::conflict(crate::telemetry::chain(&error));
    let file = match (given, &operator.keeper) {
        (Some(file), keeper) => {
            let authority = keeper.as_ref().and_then(|keeper| keeper.authority());
            file::write(&file, world, authority).map_err(told)?;
            file
        }
        (None, Some(keeper)) => {
            keeper.save(world, true).map_err(told)?;
            keeper.file.clone()
        }
        (None, None) => return Err(no_file()),
    };
    Ok(json!({"saved": file}))
}

fn load(operator: &Operator, given: Option<PathBuf>) -> Result<Value, Refused> {
    let own = operator.state_file().map(PathBuf::from);
    let file = given.or(own).ok_or_else(no_file)?;
    let site = &operator.site;
    let url = lock(&site.world).site.clone();
    let loaded = file::read(&file, Some(&url));
    let loaded = loaded.map_err(|error| Refused::conflict(crate::telemetry::chain(&error)))?;
    let loaded =
        loaded.ok_or_else(|| Refused::missing(format!("there is no {}", file.display())))?;
    let mut world = lock(&site.world);
    if !site.clock.set(loaded.moment) {
        return Err(Refused::conflict("this simulator's clock cannot be set"));
    }
    // What was armed was armed for another time.
    site.faults.disarm();
    let changes = world.changes;
    *world = loaded.world;
    world.changes = changes + 1;
    world.stood_still((site.clock.now(), site.clock.wall()));
    Ok(json!({"loaded": file, "clusters": world.clusters().len()}))
}
