//! People who log in with a password, as those do who manage accounts.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cse_server::sim::control::NewUser;

use super::bench::Bench;
use super::wire::{Answer, Ask};

const PASSWORD: &str = "correct horse";

/// Adds a user with a password and these rights, and logs it in.
pub(crate) async fn person(
    bench: &Bench,
    (org, name): (&str, &str),
    role: &str,
    rights: &[&str],
) -> String {
    let added = bench.world().add_user(NewUser {
        org,
        name,
        role,
        rights,
        password: Some(PASSWORD),
        ..NewUser::default()
    });
    assert!(added.is_some(), "{org} exists");
    let answer = knock(bench, (org, name), PASSWORD).await.expect(200);
    answer.header("x-vmware-vcloud-access-token").unwrap()
}

/// A system administrator with a password session.
pub(crate) async fn root(bench: &Bench) -> String {
    let rights = ["API Tokens: Manage", "General: Administrator Control"];
    person(bench, ("System", "root"), "System Administrator", &rights).await
}

/// Logs in the way go-vcloud-director does.
pub(crate) async fn knock(bench: &Bench, (org, name): (&str, &str), password: &str) -> Answer {
    let door = if org.eq_ignore_ascii_case("system") {
        "/cloudapi/1.0.0/sessions/provider"
    } else {
        "/cloudapi/1.0.0/sessions"
    };
    let basic = STANDARD.encode(format!("{name}@{org}:{password}"));
    let ask = Ask::post(door).accept("application/*;version=37.0");
    let ask = ask.header("authorization", &format!("Basic {basic}"));
    bench.send(ask).await
}
