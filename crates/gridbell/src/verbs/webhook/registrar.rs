//! How a provider's webhooks are registered: what differs between the providers is in a file or folder of each one's own.

use std::pin::Pin;

use anyhow::{Result, bail};

use super::{
    by_hand::ByHand, leap::Leap, list::List, nvgrid::NvGrid, openvolt::Openvolt, register::Register, test::Test,
    unregister::Unregister, voltus::Voltus,
};
use crate::endpoint::{HookAddress, Opened, Standing};

/// The providers whose registration the CLI knows more about than that a person enters the address. Nothing else outside their files
/// names them.
static REGISTRARS: &[(&str, &dyn Registrar)] =
    &[("voltus", &Voltus), ("leap", &Leap), ("nvgrid", &NvGrid), ("openvolt", &Openvolt)];

/// The registrar of a source's provider; a person's hand where there is none of its own.
pub(super) fn of(opened: &Opened) -> &'static dyn Registrar {
    let own = REGISTRARS.iter().find(|(name, _)| *name == opened.provider.name());
    own.map_or(&ByHand, |(_, registrar)| *registrar)
}

/// What a registrar does, until it is done.
pub(super) type Doing<'a, T = ()> = Pin<Box<dyn Future<Output = Result<T>> + 'a>>;

/// A provider's registration. A method without a default is one that every registrar has.
pub(super) trait Registrar: Sync {
    /// Registers the endpoint, which has been seen to answer.
    fn register<'a>(&'a self, args: &'a Register, opened: &'a Opened, endpoint: &'a HookAddress) -> Doing<'a>;

    /// Takes the source's webhook away.
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

    /// Lets a test come, and follows it to its signal.
    fn test<'a>(&'a self, args: &'a Test, opened: &'a Opened) -> Doing<'a>;

    /// What the provider has registered, for `doctor`. Changes nothing.
    fn registered<'a>(&'a self, opened: &'a Opened) -> Doing<'a, Listing> {
        let found = format!("{} lists its webhooks where they were entered", opened.provider);
        Box::pin(async move { Ok(Listing::Unknown { found, mend: None }) })
    }
}

/// What a provider lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Listing {
    /// Its webhooks.
    Webhooks(Vec<Registered>),
    /// Nothing: it cannot be asked.
    Unknown {
        /// Why.
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
    /// Scheme, host and port: the rest may be a token.
    pub(crate) host: String,
    pub(crate) standing: Standing,
    /// Events that it is not registered for, and should be.
    pub(crate) lacks: Vec<&'static str>,
}

/// What the source's provider has registered.
///
/// # Errors
/// In one line: the key cannot be read, or the provider does not answer as it should.
pub(crate) async fn registered(opened: &Opened) -> Result<Listing> {
    of(opened).registered(opened).await
}
