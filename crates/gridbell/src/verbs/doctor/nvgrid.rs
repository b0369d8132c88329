//! Checks whether the site of an `NvGrid` source accepts the login, by reflection: the site's `.proto` files are not
//! known here.

use std::time::Duration;

use aws::secrets::{AwsKeys, KeySource};
use pipeline::config::Source;
use url::Url;

use super::{CheckResult, Examined, provider::KEY};
use nvgrid_client::{Client, Endpoint, Login, NvgridError, Origin};

/// Timeout of one call.
const ANSWERS: Duration = Duration::from_secs(10);

/// Requests the status, which changes nothing.
pub(super) async fn login(examined: &Examined<'_>, name: &str, source: &Source) -> Vec<CheckResult> {
    let unknown = |why: String| CheckResult::unknown(KEY, why);
    let more = format!("`gridbell webhook status {name}` takes --proto, --ca and the like");
    let result = match (&source.api_key, source.api_url.as_deref().and_then(|url| Url::parse(url).ok())) {
        (Some(reference), Some(url)) => {
            let host = url.origin().ascii_serialization();
            match AwsKeys::new(&examined.console.aws, examined.console.http().clone()).read(reference).await {
                Err(_) => unknown("it cannot be read from here, so it was not tried".to_owned()),
                Ok(key) => match status(url, Login::parse(&key)).await {
                    Ok(()) => CheckResult::good(KEY, format!("{host} takes the login")),
                    Err(error @ NvgridError::Login { .. }) => CheckResult::bad(KEY, error.to_string())
                        .mend(format!("put username:password of a user of this DPS into {reference}")),
                    Err(error) => unknown(error.to_string()).mend(more),
                },
            }
        }
        _ => unknown("it has no api_url, so it was not tried".to_owned()),
    };
    vec![result.about(name)]
}

async fn status(url: Url, login: Login) -> Result<(), NvgridError> {
    let endpoint = Endpoint { url, ca: None, tls_name: None, answers: ANSWERS };
    Client::connect(&endpoint, &Origin::Reflection, login).await?.status().await.map(drop)
}
