//! Who is on the site and what it publishes to them: users, organizations, UI plug-ins.
//!
//! Not here: logging in, tokens and service accounts (`sim::auth`), roles and rights (`sim::rights`).

pub(crate) mod legacy_users;
pub(crate) mod orgs;
pub(crate) mod plugins;
pub(crate) mod users;

use serde_json::Value;

use super::call::Call;
use super::reply::Problem;

/// Refuses changes of accounts to sessions of API tokens, and to everybody but administrators.
fn administers(call: &Call<'_>) -> Result<(), Problem> {
    let who = &call.principal;
    if who.by_token {
        return Err(Problem::forbidden(
            "A session created from an API token cannot manage users and organizations.",
        ));
    }
    if who.provider || who.has("General: Administrator Control") {
        return Ok(());
    }
    Err(Problem::forbidden(
        "Either you need some or all of the following rights [General: Administrator Control].",
    ))
}

fn not_found(id: &str) -> Problem {
    Problem::forbidden(format!("{id} not found or you lack access to it."))
}

fn text(body: &Value, key: &str) -> Option<String> {
    body.get(key).and_then(Value::as_str).map(str::to_owned)
}
