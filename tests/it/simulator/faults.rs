//! Faults on the way, in process and on virtual time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cse_server::clock::Clock;
use cse_server::sim::faults::{Fault, Faults, Refusal, Target};
use cse_server::sim::transport::{InProcess, Journal};
use cse_server::vcd::transport::{CallLimits, Request, Transport, TransportError};
use http::Method;
use serde_json::json;

use crate::support::site::{Ask, Site, cluster, entity};

const LIMITS: CallLimits = CallLimits {
    timeout: Duration::from_secs(30),
    max_body_bytes: 1 << 20,
};

/// A site with one entity, its owner's token and a connection to it.
struct Line {
    connection: InProcess,
    faults: Arc<Faults>,
    token: String,
    id: String,
}

impl Line {
    fn open(seed: u64) -> Self {
        let mut site = Site::seeded(seed);
        let token = site.login("author", "acme");
        let id = site.create(&token, "blue", &cluster("blue"));
        let clock = Clock::virtual_at(site.wall());
        let faults = Arc::new(Faults::none());
        let world = Arc::new(Mutex::new(site.world));
        let connection = InProcess::new(world, clock, Arc::clone(&faults));
        Self {
            connection,
            faults,
            token,
            id,
        }
    }

    fn write(&self, text: &str) -> Request {
        let mut content = cluster("blue");
        content["spec"]["capiYaml"] = json!(text);
        let body = json!({"name": "blue", "entity": content});
        Ask::put(&entity(&self.id))
            .by(&self.token)
            .json(&body)
            .request()
    }

    fn stored(&self) -> String {
        let world = self.connection.world().lock().unwrap();
        world.entity_content(&self.id).unwrap()["spec"]["capiYaml"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    async fn send(&self, request: Request) -> Result<u16, TransportError> {
        self.connection
            .send(request, LIMITS)
            .await
            .map(|response| response.status().as_u16())
    }
}

/// Goal: each fault decides two things, whether the request takes effect and what the caller sees.
#[tokio::test(start_paused = true)]
async fn every_fault_has_its_effect_and_its_answer() {
    let forbidden = Fault::Refused(Refusal::Forbidden);
    for fault in Fault::ALL.into_iter().chain([forbidden]) {
        let line = Line::open(1);
        line.faults.arm(Target::nth(0), fault);
        let seen = match line.connection.send(line.write("new"), LIMITS).await {
            Ok(response) => response.status().to_string(),
            Err(TransportError::NotSent { .. }) => "not sent".to_owned(),
            Err(TransportError::Unanswered { reason, .. }) => reason,
            Err(TransportError::TooLarge { .. }) => "too large".to_owned(),
        };
        let (done, want) = match fault {
            Fault::NotSent => (false, "not sent"),
            Fault::RequestLost => (false, "connection closed"),
            Fault::ReplyLost => (true, "connection closed"),
            Fault::Refused(refusal) | Fault::ProcessedButRefused(refusal) => {
                let done = matches!(fault, Fault::ProcessedButRefused(_));
                (done, status_of(refusal))
            }
            Fault::Malformed => (true, "200 OK"),
            Fault::Truncated => (true, "body cut short"),
            // Longer than the limit: the caller has gone, the request has not arrived.
            Fault::Delayed(_) => (false, "timed out"),
        };
        assert_eq!(seen, want, "{fault:?}");
        assert_eq!(line.stored() == "new", done, "{fault:?}");
        assert_eq!((line.faults.calls(), line.faults.struck()), (1, 1));
        assert!(
            line.send(line.write("again")).await.is_ok(),
            "struck once only"
        );
    }
}

fn status_of(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Maintenance | Refusal::Unavailable { .. } => "503 Service Unavailable",
        Refusal::Throttled { .. } => "429 Too Many Requests",
        Refusal::Conflict => "412 Precondition Failed",
        Refusal::SessionExpired => "401 Unauthorized",
        Refusal::ServerError => "500 Internal Server Error",
        Refusal::Busy | Refusal::OperationLimit => "400 Bad Request",
        Refusal::Forbidden => "403 Forbidden",
        Refusal::BadGateway => "502 Bad Gateway",
        Refusal::GatewayTimeout => "504 Gateway Timeout",
    }
}

#[tokio::test(start_paused = true)]
async fn a_delayed_write_lands_after_its_caller_gave_up_and_overtakes_a_later_one() {
    let line = Line::open(1);
    line.faults.arm(
        Target::next(1, Method::PUT, "/entities/"),
        Fault::Delayed(Duration::from_secs(45)),
    );
    assert!(line.send(line.write("late")).await.is_err());
    assert_eq!(line.send(line.write("in time")).await.unwrap(), 200);
    assert_eq!(line.stored(), "in time");
    // Another call 20 s later finds the late write done.
    let clock = Clock::virtual_at(jiff::Timestamp::UNIX_EPOCH);
    clock.sleep(Duration::from_secs(20)).await;
    assert_eq!(line.stored(), "late");
}

#[tokio::test(start_paused = true)]
async fn faults_aim_by_caller_method_path_and_count() {
    let line = Line::open(1);
    let (a, b) = (line.connection.labelled("a"), line.connection.labelled("b"));
    let target = Target {
        method: Some(Method::GET),
        path: Some("/entities/".to_owned()),
        caller: Some("a".to_owned()),
        after: 1,
        times: 2,
        ..Target::default()
    };
    line.faults
        .arm(target, Fault::Refused(Refusal::Maintenance));
    let read = || Ask::get(&entity(&line.id)).by(&line.token).request();
    let mut seen = Vec::new();
    for connection in [&a, &b, &a, &b, &a, &a] {
        seen.push(
            connection
                .send(read(), LIMITS)
                .await
                .unwrap()
                .status()
                .as_u16(),
        );
    }
    assert_eq!(seen, [200, 200, 503, 200, 503, 200]);
    assert_eq!(
        (line.faults.calls_of("a"), line.faults.calls_of("b")),
        (4, 2)
    );
}

#[tokio::test(start_paused = true)]
async fn one_seed_gives_one_run() {
    let mut runs = Vec::new();
    for seed in [5, 5, 6] {
        let line = Line::open(seed);
        line.faults.arm_chance(300, &Fault::ALL, seed);
        let journal = Journal::default();
        let connection = line.connection.recorded(&journal).labelled("a");
        let mut answers = Vec::new();
        for number in 0..40 {
            let answer = connection
                .send(line.write(&number.to_string()), LIMITS)
                .await;
            answers.push(format!("{answer:?}"));
        }
        assert!(line.faults.struck() > 3 && line.faults.struck() < 37);
        runs.push((journal.lines(), answers));
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
    assert!(
        runs[0].0[0].contains(" a PUT /cloudapi/1.0.0/entities/{id} -> "),
        "{}",
        runs[0].0[0]
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_above_the_callers_limit_is_dropped() {
    let line = Line::open(1);
    let limits = CallLimits {
        max_body_bytes: 10,
        ..LIMITS
    };
    let answer = line.connection.send(line.write("new"), limits).await;
    assert!(matches!(
        answer,
        Err(TransportError::TooLarge { limit: 10 })
    ));
    assert_eq!(line.stored(), "new", "it was processed all the same");
}

#[tokio::test(start_paused = true)]
async fn refusals_of_the_site_itself_have_the_form_of_the_api_family() {
    let line = Line::open(1);
    for (path, fault, media, status) in [
        (
            "/cloudapi/1.0.0/entityTypes",
            Refusal::Busy,
            "application/json;version=37.2",
            400,
        ),
        (
            "/api/org",
            Refusal::Busy,
            "application/vnd.vmware.vcloud.error+xml;version=37.2",
            400,
        ),
        ("/api/org", Refusal::BadGateway, "text/html", 502),
        (
            "/api/org",
            Refusal::Throttled {
                retry_after_secs: Some(7),
            },
            "text/html",
            429,
        ),
    ] {
        line.faults
            .arm(Target::next(1, Method::GET, path), Fault::Refused(fault));
        let request = Ask::get(path).by(&line.token).request();
        let answer = line.connection.send(request, LIMITS).await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["content-type"]),
            (status, &media.parse().unwrap())
        );
        assert_eq!(answer.headers().contains_key("retry-after"), status == 429);
        line.faults.disarm();
    }
}
