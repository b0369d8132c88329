//! Checks of the hooks from outside: whether they answer as they should.

use std::time::Duration;

use serde_json::Value;

use super::{Check, CheckResult, Examined};
use crate::console::Place;

const CHECK: &str = "webhook address";

/// Timeout of one answer: a cold function takes a second or two.
const ANSWERS: Duration = Duration::from_secs(8);

pub(super) fn checks<'a>(examined: &'a Examined<'a>) -> Vec<(&'static str, Check<'a>)> {
    let mut checks: Vec<(&'static str, Check<'a>)> = vec![(CHECK, Box::pin(wrong_token(examined)))];
    if let Place::Local { hooks } = &examined.console.place {
        let pinged = hooks.iter().filter(|(name, url)| !url.ends_with(&format!("/{name}")));
        let pinged = pinged.filter_map(|(name, url)| Some((name, url, ping_of(examined, name)?)));
        checks
            .extend(pinged.map(|(name, url, body)| (CHECK, Box::pin(ping(examined, name, (url, body))) as Check<'a>)));
    }
    checks
}

/// The body that the source's provider posts when a webhook is registered.
fn ping_of(examined: &Examined<'_>, source: &str) -> Option<&'static str> {
    examined.config.sources.get(source)?.provider.ping()
}

/// A wrong token gets the receiver's own 404, and nothing is stored.
async fn wrong_token(examined: &Examined<'_>) -> Vec<CheckResult> {
    let base = &examined.console.webhook_base;
    let url = format!("{base}/hooks/doctor/not-a-token");
    let mend = "look at the log of the receiver (`aws logs tail`), and at the API in the console";
    vec![match post(examined, &url, "{}").await {
        Ok((404, body)) if is_receivers(&body) => {
            CheckResult::good(CHECK, format!("{base} answers, and knows a wrong token"))
        }
        Ok((status, _)) => {
            CheckResult::bad(CHECK, format!("{base} answers {status} to a wrong token where the receiver says 404"))
                .mend(mend)
        }
        Err(why) => CheckResult::bad(CHECK, format!("{base} does not answer: {why}")).mend(mend),
    }]
}

/// The registration ping gets 200, and nothing is stored.
async fn ping(examined: &Examined<'_>, name: &str, (url, body): (&str, &'static str)) -> Vec<CheckResult> {
    let result = match post(examined, url, body).await {
        Ok((200, _)) => CheckResult::good(CHECK, "a ping with its token gets 200"),
        Ok((status, _)) => CheckResult::bad(CHECK, format!("a ping with its token gets {status} instead of 200"))
            .mend("the token in the address is not the one that runs: compare it with gridbell.toml"),
        Err(why) => CheckResult::bad(CHECK, format!("a ping gets no answer: {why}")),
    };
    vec![result.about(name)]
}

async fn post(examined: &Examined<'_>, url: &str, body: &'static str) -> Result<(u16, String), String> {
    let request = examined.console.http().post(url).timeout(ANSWERS).header("content-type", "application/json");
    // The address may contain a token, so the error must not show it.
    let said = |error: reqwest::Error| error.without_url().to_string();
    let response = request.body(body).send().await.map_err(said)?;
    let status = response.status().as_u16();
    Ok((status, response.text().await.map_err(said)?))
}

fn is_receivers(body: &str) -> bool {
    serde_json::from_str::<Value>(body).is_ok_and(|body| body.pointer("/error/code").is_some())
}
