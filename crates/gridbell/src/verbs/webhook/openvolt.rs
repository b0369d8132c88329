//! Openvolt: a person enters the webhook in its dashboard.

use anyhow::bail;

use super::{
    by_hand, follow,
    list::List,
    register::Register,
    registrar::{Doing, Listing, Registrar},
    test::Test,
    unregister::Unregister,
};
use crate::{
    endpoint::{HookAddress, Opened},
    show,
};
use provider_server::times;

/// Openvolt's registrar.
pub(super) struct Openvolt;

impl Registrar for Openvolt {
    fn register<'a>(&'a self, args: &'a Register, opened: &'a Opened, endpoint: &'a HookAddress) -> Doing<'a> {
        by_hand::entered(to_enter(&opened.name, endpoint), args, opened)
    }

    fn unregister<'a>(&'a self, _args: &'a Unregister, opened: &'a Opened) -> Doing<'a> {
        Box::pin(async move {
            bail!(
                "Openvolt takes webhooks away by its dashboard alone: under Event Subscriptions, delete the one that goes to …/hooks/{}/…",
                opened.name
            )
        })
    }

    fn list<'a>(&'a self, _args: &'a List, _opened: &'a Opened) -> Doing<'a> {
        Box::pin(async move {
            bail!("Openvolt lists its subscriptions in the developer dashboard alone, under Event Subscriptions")
        })
    }

    fn test<'a>(&'a self, args: &'a Test, opened: &'a Opened) -> Doing<'a> {
        Box::pin(async move {
            show::line(
                "Openvolt sends no tests. Data of a meter that it has (9999999999995 to 9999999999999 are its test meters) brings a delivery.",
            )?;
            follow::to_delivery(opened, times::now(), args.wait).await
        })
    }

    fn registered<'a>(&'a self, opened: &'a Opened) -> Doing<'a, Listing> {
        let found = "Openvolt shows its subscriptions in the dashboard alone".to_owned();
        let mend = format!("compare it there with what `gridbell webhook register {} --wait 0s` prints", opened.name);
        Box::pin(async move { Ok(Listing::Unknown { found, mend: Some(mend) }) })
    }
}

/// The values to enter, and where.
fn to_enter(source: &str, endpoint: &HookAddress) -> String {
    format!(
        "Openvolt takes webhooks by its dashboard alone. In the developer dashboard, under Event Subscriptions, \"Subscribe to an Event\":\n\n\
         \x20 Subscription type   Webhook\n\
         \x20 URL                 {}\n\
         \x20 Description         gridbell {source}\n\
         \x20 Events              meter_data.received, hosted_consent.approved, hosted_consent.revoked, api_keys.rotated,\n\
         \x20                     meter.created, customer.created, user.created\n\n\
         The address holds the token: anyone who has it can post to this source.",
        endpoint.address()
    )
}
