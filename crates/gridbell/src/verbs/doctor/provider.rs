//! Checks whether the providers accept the API keys.

use aws::{
    http::{HttpApi, Limits},
    secrets::AwsKeys,
};
use pipeline::{
    config::Source,
    ports::{FetchError, ProviderApi},
};

use super::{Check, CheckResult, Examined, nvgrid};

pub(super) const KEY: &str = "provider key";

pub(super) fn checks<'a>(examined: &'a Examined<'a>) -> Vec<(&'static str, Check<'a>)> {
    let asked = examined.config.sources.iter().filter(|(_, source)| source.api_key.is_some());
    let check = |(name, source): (&'a String, &'a Source)| {
        if source.provider.is_grpc() {
            return (KEY, Box::pin(nvgrid::login(examined, name, source)) as Check<'a>);
        }
        (KEY, Box::pin(key(examined, name, source)) as Check<'a>)
    };
    asked.map(check).collect()
}

/// Requests the list of dispatches, or something else that changes nothing.
async fn key(examined: &Examined<'_>, name: &str, source: &Source) -> Vec<CheckResult> {
    let unknown = |why: String| vec![CheckResult::unknown(KEY, why).about(name)];
    let Some((_, origin)) = examined.config.source(name) else {
        return unknown("the configuration has no such source".to_owned());
    };
    let provider = source.provider;
    let now = examined.clock.now;
    let lists = provider.lists_dispatches();
    let Some(fetch) = provider.harmless_fetch(&origin, now) else {
        return unknown(format!("{provider} has nothing that could be asked for harmlessly"));
    };
    let request = match provider.request(&fetch, None) {
        Ok(request) => request,
        Err(error) => return unknown(error.to_string()),
    };
    // Like the functions' client it follows no redirect; unlike theirs it uses the person's proxy.
    let client = examined.console.http().clone();
    let api = HttpApi::new(client.clone(), AwsKeys::new(&examined.console.aws, client), Limits::default());
    let host = source.api_url.as_deref().or_else(|| provider.api_url(origin.sandbox)).unwrap_or("the provider");
    let result = match api.fetch(name, source, &request, jiff::SignedDuration::from_secs(5)).await {
        // The provider checked the key before it searched, so the key is valid.
        Ok(_) | Err(FetchError::Missing | FetchError::Status { status: 400 | 422, .. }) => {
            CheckResult::good(KEY, format!("{host} takes it"))
        }
        Err(FetchError::Refused { status: 403 }) if !lists => CheckResult::unknown(
            KEY,
            format!("{host} answers 403 about a meter that nobody has, which may be about the meter"),
        ),
        Err(error @ FetchError::Refused { .. }) => CheckResult::bad(KEY, format!("{host}: {error}")).mend(
            source
                .api_key
                .as_ref()
                .map_or_else(String::new, |key| format!("put the provider's current key into {key}")),
        ),
        Err(FetchError::Key(_)) => CheckResult::unknown(KEY, "it cannot be read from here, so it was not tried"),
        Err(error) => CheckResult::unknown(KEY, format!("{host}: {error}"))
            .mend("webhooks are kept and fetched later; ask the provider if it lasts"),
    };
    vec![result.about(name)]
}
