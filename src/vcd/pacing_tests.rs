//! The window as a table, and the pace on virtual time.

use bytes::Bytes;

use super::super::transport::Obstacle;
use super::*;
use crate::domain::error_class::ErrorClass;

const READ: Operation = Operation::GET_VAPP;
const EFFECT: Operation = Operation::ADD_VM;
const CLAIM: Operation = Operation::REPLACE_ENTITY;
const POLL: Operation = Operation::LIST_ENTITIES;

fn clock() -> Clock {
    Clock::virtual_at("2026-03-01T09:00:00Z".parse().unwrap())
}

type Outcome = Result<Response, TransportError>;

fn answer(status: u16, headers: &[(&str, &str)], body: &'static str) -> Response {
    let mut builder = http::Response::builder().status(status);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(Bytes::from_static(body.as_bytes())).unwrap()
}

fn fine() -> Response {
    answer(200, &[], "")
}

fn not_sent() -> TransportError {
    TransportError::NotSent {
        host: String::new(),
        obstacle: Obstacle::Other,
        reason: String::new(),
    }
}

const LIMIT: &str =
    r#"{"minorErrorCode":"BAD_REQUEST","message":"The limit of queued operations is reached."}"#;
const BUSY: &str =
    r#"{"minorErrorCode":"BUSY_ENTITY","message":"The entity is busy completing an operation."}"#;

/// One call.
async fn call(pacing: &Pacing, outcome: Outcome) {
    pacing.admit(READ).await.unwrap().done(&outcome);
}

/// Calls in a row, each well answered before the next one is made.
async fn calls(pacing: &Pacing, count: u32) {
    for _ in 0..count {
        call(pacing, Ok(fine())).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_good_answers_widen_the_window_and_an_overload_halves_it() {
    let pacing = Pacing::new(clock());
    calls(&pacing, 99).await;
    assert_eq!(pacing.window(), 8);
    calls(&pacing, 1).await;
    assert_eq!(pacing.window(), 9);
    let rows = [
        ("busy object", Ok(answer(400, &[], BUSY)), 9),
        ("own mistake", Ok(answer(400, &[], "")), 9),
        ("server fault", Ok(answer(500, &[], "")), 9),
        ("no connection", Err(not_sent()), 9),
        ("limit of operations", Ok(answer(400, &[], LIMIT)), 4),
        ("not so fast", Ok(answer(429, &[], "")), 2),
        ("maintenance", Ok(answer(503, &[], "")), 2),
    ];
    for (name, outcome, want) in rows {
        call(&pacing, outcome).await;
        assert_eq!(pacing.window(), want, "{name}");
    }
    calls(&pacing, 100 * 100).await;
    assert_eq!(pacing.window(), MOST_WINDOW);
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_before_the_cut_does_not_cut_again() {
    let clock = clock();
    let pacing = Pacing::new(clock.clone());
    let mut under_way = Vec::new();
    for _ in 0..8 {
        under_way.push(pacing.admit(READ).await.unwrap());
    }
    clock.sleep(Duration::from_secs(1)).await;
    for admission in under_way {
        admission.done(&Ok(answer(503, &[], "")));
    }
    assert_eq!(pacing.window(), 4);
    let mut places = Vec::new();
    for _ in 0..4 {
        places.push(pacing.admit(READ).await.unwrap());
    }
    let before = clock.now();
    let refused = pacing.admit(EFFECT).await.unwrap_err();
    assert_eq!(
        clock.now().since(before),
        QUEUE_LIMIT,
        "as many places as the window is wide"
    );
    assert_eq!(refused.class(), ErrorClass::Throttled { retry_after: None });
    pacing.admit(CLAIM).await.unwrap();
    pacing.admit(POLL).await.unwrap();
    assert_eq!(
        clock.now().since(before),
        QUEUE_LIMIT,
        "neither waits behind work"
    );
    places.pop();
    pacing.admit(EFFECT).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_kept_by_everybody_but_claims_and_is_bounded() {
    let clock = clock();
    let pacing = Pacing::new(clock.clone());
    let asked = answer(429, &[("retry-after", "86400")], "");
    call(&pacing, Ok(asked)).await;
    for op in [READ, EFFECT, POLL] {
        let refused = pacing.admit(op).await.unwrap_err();
        let class = ErrorClass::Throttled {
            retry_after: Some(MAX_PAUSE),
        };
        assert_eq!(refused.class(), class, "{op}");
    }
    let before = clock.now();
    pacing.admit(CLAIM).await.unwrap();
    assert_eq!(clock.now().since(before), CLAIM_PAUSE);
    clock.sleep(MAX_PAUSE).await;
    pacing.admit(EFFECT).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_site_that_becomes_slow_is_asked_less_and_one_that_always_was_is_not() {
    let clock = clock();
    let pacing = Pacing::new(clock.clone());
    let timed = async |op: Operation, millis: u64, count: u32| {
        for _ in 0..count {
            let admission = pacing.admit(op).await.unwrap();
            clock.sleep(Duration::from_millis(millis)).await;
            admission.done(&Ok(fine()));
        }
    };
    timed(EFFECT, 4_000, 30).await;
    timed(READ, 200, 30).await;
    assert_eq!(pacing.window(), 8, "kinds of calls differ");
    timed(READ, 5_000, 3).await;
    timed(READ, 200, 8).await;
    assert_eq!(pacing.window(), 8, "some answers are always slow");
    timed(READ, 900, 4).await;
    assert_eq!(pacing.window(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_gives_its_place_back() {
    let pacing = Pacing::new(clock());
    for _ in 0..20 {
        drop(pacing.admit(READ).await.unwrap());
    }
    calls(&pacing, 20).await;
    assert_eq!(pacing.places.available_permits(), 8);
}
