//! Openvolt: webhooks are entered in its dashboard, by a person.

use crate::endpoint::HookAddress;

/// Exactly what to enter where.
pub(super) fn to_enter(source: &str, endpoint: &HookAddress) -> String {
    format!(
        "Openvolt takes webhooks by its dashboard alone. In the developer dashboard, under Event Subscriptions, \"Subscribe to an Event\":\n\n\
         \x20 Subscription type   Webhook\n\
         \x20 URL                 {}\n\
         \x20 Description         gridbell {source}\n\
         \x20 Events              meter_data.received, hosted_consent.approved, hosted_consent.revoked, api_keys.rotated,\n\
         \x20                     meter.created, customer.created, user.created\n\n\
         The address holds the token: whoever has it can post to this source.",
        endpoint.address()
    )
}
