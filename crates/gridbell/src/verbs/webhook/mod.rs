//! `webhook`: registers, lists, tests and removes a source's webhook at the real provider.

mod api;
mod by_hand;
mod follow;
mod leap;
mod nvgrid;
mod openvolt;
mod probe;
mod voltus;

mod list;
mod register;
mod registrar;
mod test;
mod unregister;

#[cfg(test)]
mod tests;

use anyhow::{Context, Result};

use self::api::Api;
pub(crate) use self::registrar::{Listing, Registered, registered};
use crate::{
    console::{Place, Which},
    endpoint::{Opened, Where},
    show::{self, consent},
};
use stack_client::http_client;

/// The verbs of `webhook`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum WebhookVerb {
    /// Register the source's webhook at the provider, after checking that the receiver answers there.
    #[command(after_help = register::EXAMPLES)]
    Register(register::Register),
    /// List the webhooks that the provider has registered.
    #[command(after_help = "Example:\n  gridbell webhook list voltus-prod --stack gridbell")]
    List(list::List),
    /// Remove the source's webhook at the provider.
    #[command(after_help = unregister::EXAMPLES)]
    Unregister(unregister::Unregister),
    /// Make the provider send a test, and follow it to its signal.
    #[command(after_help = test::EXAMPLES)]
    Test(test::Test),
    /// `NvGrid`: show the status of the site's feeds: active targets and measured loads.
    #[command(
        after_help = "Example:\n  gridbell webhook status nvgrid-site --proto dps/nvgrid.proto --proto dps/auth.proto --ca dps-ca.pem"
    )]
    Status(nvgrid::Status),
    /// `NvGrid`: show the targets that are scheduled in an interval.
    #[command(
        after_help = "Example:\n  gridbell webhook schedule nvgrid-site --until 2026-12-01T00:00:00Z --feed main_power_feed --ca dps-ca.pem"
    )]
    Schedule(nvgrid::Schedule),
}

/// Runs the verb.
pub(crate) async fn run(verb: WebhookVerb) -> Result<()> {
    match verb {
        WebhookVerb::Register(register) => register.run().await,
        WebhookVerb::List(list) => list.run().await,
        WebhookVerb::Unregister(unregister) => unregister.run().await,
        WebhookVerb::Test(test) => test.run().await,
        WebhookVerb::Status(status) => status.run().await,
        WebhookVerb::Schedule(schedule) => schedule.run().await,
    }
}

/// Makes a source's provider send a test, as `webhook test` does without options.
///
/// # Errors
/// As the verb; [`show::Unasked`] if a person must agree first, unless `agreed`.
pub(crate) async fn test(which: &Which, source: &str, agreed: bool) -> Result<()> {
    test::Test::of(which, source, agreed)?.run().await
}

/// Arguments of every verb.
#[derive(Debug, clap::Args)]
struct About {
    /// Source
    source: String,
    #[command(flatten)]
    which: Which,
}

/// The same with the hook's address.
#[derive(Debug, clap::Args)]
struct AboutHook {
    #[command(flatten)]
    about: About,
    #[command(flatten)]
    place: Where,
}

impl About {
    async fn open(&self) -> Result<Opened> {
        Opened::open(&self.which, &self.source).await
    }
}

/// The provider's API with the source's key.
async fn api(opened: &Opened) -> Result<Api> {
    let base = opened.api_url()?.with_context(|| format!("{} has no api_url", opened.name))?;
    Ok(Api::new(&http_client()?, opened.provider, base, opened.key().await?))
}

/// Prints the command that makes the provider send a test, if there is one.
fn try_it(opened: &Opened, flags: &str) -> Result<()> {
    let stack = match &opened.console.place {
        Place::Local { .. } => String::new(),
        Place::Deployed { .. } => format!(" --stack {}", opened.console.name),
    };
    show::line(&format!("Try it: gridbell webhook test {}{flags}{stack}", opened.name))
}

/// Parses a duration: `90s`, `10m`.
fn span(text: &str) -> Result<std::time::Duration, String> {
    let parsed: Option<jiff::SignedDuration> = text.parse().ok();
    parsed.and_then(|span| span.try_into().ok()).ok_or_else(|| "write 90s, 10m or 1h".to_owned())
}
