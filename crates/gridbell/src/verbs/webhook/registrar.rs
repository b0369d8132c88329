//! Registration of webhooks: each provider's part is in a file or folder of its own.

use std::pin::Pin;

use anyhow::{Result, bail};

use super::{
    by_hand::ByHand, leap::Leap, list::List, nvgrid::NvGrid, openvolt::Openvolt, register::Register, test::Test,
    unregister::Unregister, voltus::Voltus,
};
use crate::endpoint::{HookAddress, Opened, Standing};

/// The providers with a registration known to the CLI; for others, a person enters the address. Only this list and
/// their own files name them.
static REGISTRARS: &[(&str, &dyn Registrar)] =
    &[("voltus", &Voltus), ("leap", &Leap), ("nvgrid", &NvGrid), ("openvolt", &Openvolt)];

/// The registrar of a source's provider, or [`ByHand`] if it has none.
pub(super) fn of(opened: &Opened) -> &'static dyn Registrar {
    let own = REGISTRARS.iter().find(|(name, _)| *name == opened.provider.name());
    own.map_or(&ByHand, |(_, registrar)| *registrar)
}

/// The future of a registrar's method.
pub(super) type Doing<'a, T = ()> = Pin<Box<dyn Future<Output = Result<T>> + 'a>>;

/// A provider's registration. Every registrar implements the methods without a default.
pub(super) trait Registrar: Sync {
    /// Registers the endpoint, after the receiver has answered there.
    fn register<'a>(&'a self, args: &'a Register, opened: &'a Opened, endpoint: &'a HookAddress) -> Doing<'a>;

    /// Removes the source's webhook.
    fn unregister<'a>(&'a self, args: &'a Unregister, opened: &'a Opened) -> Doing<'a> {
        let _ = args;
        Box::pin(async move {
            bail!(
                "{} lists and deletes its webhooks where they were entered: delete the one that goes to …/hooks/{}/… there",
                opened.provider,
                opened.name
            )
        })
    }

    /// Shows what the provider has registered.
    fn list<'a>(&'a self, args: &'a List, opened: &'a Opened) -> Doing<'a> {
        let _ = args;
        Box::pin(async move { bail!("{} lists its webhooks where they were entered", opened.provider) })
    }

    /// Makes the provider send a test, and follows it to its signal.
    fn test<'a>(&'a self, args: &'a Test, opened: &'a Opened) -> Doing<'a>;

    /// What the provider has registered, for `doctor`. Changes nothing.
    fn registered<'a>(&'a self, opened: &'a Opened) -> Doing<'a, Listing> {
        let found = format!("{} lists its webhooks where they were entered", opened.provider);
        Box::pin(async move { Ok(Listing::Unknown { found, mend: None }) })
    }
}

/// What a provider has registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Listing {
    /// Its webhooks.
    Webhooks(Vec<Registered>),
    /// Unknown, because the provider has no list.
    Unknown {
        /// The reason.
        found: String,
        /// What a person can do instead.
        mend: Option<String>,
    },
}

/// A webhook as its provider lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Registered {
    /// The webhook's id, or its level.
    pub(crate) what: String,
    /// Scheme, host and port: the rest may contain a token.
    pub(crate) host: String,
    pub(crate) standing: Standing,
    /// Missing events.
    pub(crate) lacks: Vec<&'static str>,
}

/// What the source's provider has registered.
///
/// # Errors
/// In one line: the key cannot be read, or the provider does not answer as expected.
pub(crate) async fn registered(opened: &Opened) -> Result<Listing> {
    of(opened).registered(opened).await
}
