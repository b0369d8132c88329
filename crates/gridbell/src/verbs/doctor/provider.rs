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
    let answer = api.fetch(name, source, &request, jiff::SignedDuration::from_secs(5)).await.map(drop);
    let key = source.api_key.as_ref().map(ToString::to_string).unwrap_or_default();
    let asked = Asked { host, lists, usual: provider.api_url(origin.sandbox), key: &key };
    vec![judged(answer, asked).about(name)]
}

/// A request that changes nothing.
#[derive(Debug, Clone, Copy)]
struct Asked<'a> {
    /// The address that was asked.
    host: &'a str,
    /// Whether a list was asked for.
    lists: bool,
    /// The provider's own address.
    usual: Option<&'a str>,
    /// Where the API key is stored.
    key: &'a str,
}

fn judged(answer: Result<(), FetchError>, Asked { host, lists, usual, key }: Asked<'_>) -> CheckResult {
    match answer {
        // A list is never missing: the address is not that of this API.
        Err(FetchError::Missing) if lists => {
            let usual = usual.unwrap_or("the base before the documented path");
            CheckResult::bad(KEY, format!("{host} answers 404 to the list of dispatches: api_url is wrong"))
                .mend(format!("write {usual} and ship it with `gridbell config apply`, or leave api_url out"))
        }
        // The provider checked the key before it searched, so the key is valid.
        Ok(()) | Err(FetchError::Missing | FetchError::Status { status: 400 | 422, .. }) => {
            CheckResult::good(KEY, format!("{host} takes it"))
        }
        Err(FetchError::Refused { status: 403 }) if !lists => CheckResult::unknown(
            KEY,
            format!("{host} answers 403 about a meter that nobody has, which may be about the meter"),
        ),
        Err(error @ FetchError::Refused { .. }) => {
            CheckResult::bad(KEY, format!("{host}: {error}")).mend(format!("put the provider's current key into {key}"))
        }
        Err(FetchError::Key(_)) => CheckResult::unknown(KEY, "it cannot be read from here, so it was not tried"),
        Err(error) => CheckResult::unknown(KEY, format!("{host}: {error}"))
            .mend("webhooks are kept and fetched later; ask the provider if it lasts"),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};

    #[test]
    fn a_404_says_whether_the_address_or_only_a_meter_is_wrong() {
        let leap = Asked {
            host: "https://api.leap.energy",
            lists: true,
            usual: Some("https://api.leap.energy/v2"),
            key: "ssm:/gridbell/leap",
        };
        let check = |answer: Result<(), FetchError>, lists, expected, words: &str| {
            let result = judged(answer, Asked { lists, ..leap });
            let said = format!("{} {}", result.found, result.mend.unwrap_or_default());
            assert!(result.verdict == expected && said.contains(words), "{said}");
        };
        check(Err(FetchError::Missing), true, Verdict::Bad, "write https://api.leap.energy/v2 and ship it");
        check(Err(FetchError::Missing), false, Verdict::Good, "takes it");
        check(Ok(()), true, Verdict::Good, "takes it");
        check(Err(FetchError::Refused { status: 401 }), true, Verdict::Bad, "into ssm:/gridbell/leap");
        check(Err(FetchError::Refused { status: 403 }), false, Verdict::Unknown, "about the meter");
    }
}
