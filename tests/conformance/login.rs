//! Who comes in, and with what.

use super::fact::Mark::{Documents, Source};
use super::fact::{Fact, fact};
use super::support::wire::Ask;

pub(crate) fn facts() -> Vec<Fact> {
    vec![
        fact(
            "1.1",
            Source,
            "the versions 37.0 and 37.2 are offered without a login, and none from 40.0 on",
            async |bench| {
                let answer = bench.send(Ask::get("/api/versions").xml()).await;
                let offered = answer.expect(200).text();
                for version in ["37.0", "37.2"] {
                    assert!(offered.contains(&format!("<Version>{version}</Version>")));
                }
                assert!(!offered.contains("<Version>4"), "{offered}");
            },
        ),
        fact(
            "2.4",
            Source,
            "an API token of a tenant is refused at the provider's endpoint with JSON",
            async |bench| {
                let pairs = [
                    ("grant_type", "refresh_token"),
                    ("refresh_token", bench.tenant.api_token.as_str()),
                ];
                let ask = Ask::post("/oauth/provider/token").form(&pairs);
                bench.send(ask).await.refused(400, "invalid_grant");
                assert!(bench.author().await.len() > 32);
            },
        ),
        fact(
            "5.3",
            Documents,
            "without a session everything is answered 401",
            async |bench| {
                for path in ["/api/org", "/cloudapi/1.0.0/entityTypes", "/api/task/x"] {
                    bench.send(Ask::get(path)).await.expect(401);
                }
            },
        ),
    ]
}
