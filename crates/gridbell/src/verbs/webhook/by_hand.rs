//! A provider without a registration API known to the CLI: a person enters the address.

use super::{
    follow,
    register::Register,
    registrar::{Doing, Registrar},
    test::Test,
};
use crate::{
    endpoint::{HookAddress, Opened},
    show,
};
use provider_server::times;

/// The registrar of providers without one of their own.
pub(super) struct ByHand;

impl Registrar for ByHand {
    fn register<'a>(&'a self, args: &'a Register, opened: &'a Opened, endpoint: &'a HookAddress) -> Doing<'a> {
        entered(to_enter(opened, endpoint), args, opened)
    }

    fn test<'a>(&'a self, args: &'a Test, opened: &'a Opened) -> Doing<'a> {
        Box::pin(async move {
            show::line(&format!(
                "gridbell knows no test of {}. What it sends next brings a delivery.",
                opened.provider
            ))?;
            follow::to_delivery(opened, times::now(), args.wait).await
        })
    }
}

/// Shows what the person has to enter, and waits for the first delivery.
pub(super) fn entered<'a>(to_enter: String, args: &'a Register, opened: &'a Opened) -> Doing<'a> {
    Box::pin(async move {
        let since = times::now();
        show::screen(&to_enter)?;
        if args.wait.is_zero() {
            return Ok(());
        }
        follow::to_delivery(opened, since, args.wait).await
    })
}

/// The values to enter.
fn to_enter(opened: &Opened, endpoint: &HookAddress) -> String {
    format!(
        "gridbell knows no call by which {} registers webhooks. Give it this address for {}, by its dashboard or its support:\n\n\
         \x20 {}\n\n\
         The address holds the token: anyone who has it can post to this source.",
        opened.provider,
        opened.name,
        endpoint.address()
    )
}
