//! The providers: whether they take our key.

use aws::{
    http::{HttpApi, Limits},
    secrets::AwsKeys,
};
use dispatch::Origin;
use jiff::Timestamp;
use pipeline::{
    config::Source,
    ports::{FetchError, ProviderApi},
};
use providers::{Delivery, FetchRequest, Provider};
use serde_json::json;

use super::{Check, CheckResult, Examined, nvgrid};

pub(super) const KEY: &str = "provider key";

pub(super) fn checks<'a>(examined: &'a Examined<'a>) -> Vec<(&'static str, Check<'a>)> {
    let asked = examined.config.sources.iter().filter(|(_, source)| source.api_key.is_some());
    let check = |(name, source): (&'a String, &'a Source)| match config::Provider::from_name(&source.provider) {
        Some(config::Provider::Nvgrid) => (KEY, Box::pin(nvgrid::login(examined, name, source)) as Check<'a>),
        _ => (KEY, Box::pin(key(examined, name, source)) as Check<'a>),
    };
    asked.map(check).collect()
}

/// Who lists nothing is asked for the data of a meter that nobody has, as if a webhook had told of it.
fn of_nobodys_meter(provider: &dyn Provider, origin: &Origin, now: Timestamp) -> Option<FetchRequest> {
    let period = json!({"meter_id": "0".repeat(24), "start_interval": now, "end_interval": now});
    let body = json!({"event_id": "meter_data.received", "delivery_id": "doctor", "payload": [period]});
    let delivery = Delivery { id: "doctor", received_at: now, origin };
    provider.parse(&delivery, &body.to_string()).ok()?.fetches.into_iter().next()
}

/// Asks for the list of dispatches, or for a meter that nobody has: neither changes anything.
async fn key(examined: &Examined<'_>, name: &str, source: &Source) -> Vec<CheckResult> {
    let unknown = |why: String| vec![CheckResult::unknown(KEY, why).about(name)];
    let Some((origin, provider)) = examined.config.source(name).map(|(_, origin)| origin).zip(source.provider()) else {
        return unknown("this gridbell does not know the provider".to_owned());
    };
    let now = examined.clock.now;
    let listed = provider.listings(&origin, now).into_iter().next();
    let lists = listed.is_some();
    let Some(fetch) = listed.or_else(|| of_nobodys_meter(provider, &origin, now)) else {
        return unknown(format!("{} has nothing that could be asked for harmlessly", source.provider));
    };
    let request = match provider.request(&fetch, None) {
        Ok(request) => request,
        Err(error) => return unknown(error.to_string()),
    };
    // The client follows no redirect, as the functions' own does not; unlike theirs it takes the person's proxy.
    let client = examined.console.http().clone();
    let api = HttpApi::new(client.clone(), AwsKeys::new(&examined.console.aws, client), Limits::default());
    let host = source.api_url.as_deref().or_else(|| provider.api_url(origin.sandbox)).unwrap_or("the provider");
    let result = match api.fetch(name, source, &request, jiff::SignedDuration::from_secs(5)).await {
        // It has looked at the key before it looked for anything else.
        Ok(_) | Err(FetchError::Missing | FetchError::Status { status: 400 | 422, .. }) => {
            CheckResult::good(KEY, format!("{host} takes it"))
        }
        Err(FetchError::Refused { status: 403 }) if !lists => CheckResult::unknown(
            KEY,
            format!("{host} answers 403 about a meter that nobody has, which may be about the meter"),
        ),
        Err(error @ FetchError::Refused { .. }) => CheckResult::bad(KEY, format!("{host}: {error}"))
            .mend(format!("put the provider's current key into {}", source.api_key.as_deref().unwrap_or_default())),
        Err(FetchError::Key(_)) => CheckResult::unknown(KEY, "it cannot be read from here, so it was not tried"),
        Err(error) => CheckResult::unknown(KEY, format!("{host}: {error}"))
            .mend("webhooks are kept and fetched later; ask the provider if it lasts"),
    };
    vec![result.about(name)]
}
