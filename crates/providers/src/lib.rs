//! The providers: convert their webhooks and API responses into facts.
//!
//! A provider is sans-I/O and object-safe. It builds requests ([`ApiRequest`], a typed path and never a URL) and parses
//! the responses. Other crates send the requests and choose host and key, so a provider cannot express a foreign
//! address. To add a provider, add one folder and its lines in this file (README.md).

mod amount;
mod diagnostics;
mod elements;
#[cfg(any(test, feature = "fixtures"))]
pub mod example;
mod field_errors;
mod fields;
#[cfg(any(test, feature = "fixtures"))]
pub mod fixtures;
mod instant;
#[cfg(any(test, feature = "fixtures"))]
pub mod laws;
mod leap;
mod lenient;
mod nvgrid;
mod openvolt;
mod parsed;
mod registry;
mod request;
mod verify;
mod voltus;

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod testing;

pub use dispatch::Precedence;
pub use elements::Elements;
pub use parsed::{ApiResponse, Delivery, Diagnostic, FetchRequest, Parsed, Unreadable, UnreadableResponse};
pub use registry::{Providers, UnknownProvider};
pub use request::{ApiPath, ApiRequest, Id, KeyHeader, Method};

use dispatch::{Fact, Origin};
use jiff::Timestamp;

/// The providers that gridbell ships, in the order in which people see them. No other code outside a provider's folder
/// names the provider.
pub static PROVIDERS: &[&dyn Provider] = &[&voltus::Voltus, &leap::Leap, &nvgrid::NvGrid, &openvolt::Openvolt];

/// The provider of the source that `gridbell verify` uses. It is not among [`PROVIDERS`], so no configuration can name
/// it.
pub static VERIFY: &dyn Provider = &verify::Verify;

/// What differs between providers. Every provider must implement the methods without a default.
pub trait Provider: Sync {
    /// Its lower-case name in the configuration, in signals and in subjects' data.
    fn name(&self) -> &'static str;

    /// Its name for people.
    fn title(&self) -> &'static str {
        self.name()
    }

    /// The base URL of its production or sandbox API, before the documented path; none if nothing is fetched.
    fn api_url(&self, sandbox: bool) -> Option<&'static str>;

    /// The header for the API key; none if nothing is fetched.
    fn key_header(&self) -> Option<KeyHeader>;

    /// Whether its dispatches must be acted on in time, so that a person is notified at a deadline if a fetch keeps
    /// failing.
    fn is_time_critical(&self) -> bool {
        true
    }

    /// Which of several dispatches governs a target that all of them name. None only if the provider announces neither
    /// dispatches nor power events.
    fn governs(&self) -> Option<Precedence>;

    /// Whether its API is gRPC, which the CLI supports and the functions do not. A source's `api_key` is then a login.
    fn is_grpc(&self) -> bool {
        false
    }

    /// The registration handshake that the provider sends; none if it sends none.
    fn ping(&self) -> Option<&'static str> {
        None
    }

    /// Whether a body is the provider's registration handshake, which is answered and not stored.
    fn is_ping(&self, body: &str) -> bool {
        let _ = body;
        false
    }

    /// Parses an authentic webhook body.
    fn parse(&self, delivery: &Delivery<'_>, body: &str) -> Result<Parsed, Unreadable>;

    /// The request to make when a push contradicts what is known (`known`: the terms that were published last); none if
    /// the provider has nothing to fetch.
    fn settle(&self, push: &Fact, known: Option<&dispatch::DispatchTerms>) -> Option<FetchRequest> {
        let _ = (push, known);
        None
    }

    /// The requests that list every dispatch that is active, upcoming or recently ended: one for each of the provider's
    /// lists. Empty if it lists nothing. A list's response may contain anything or nothing; its readable items become
    /// facts, as in a single response.
    fn listings(&self, origin: &Origin, now: Timestamp) -> Vec<FetchRequest> {
        let _ = (origin, now);
        Vec::new()
    }

    /// A request that changes nothing and shows whether the API key is accepted: by default the first list.
    fn harmless_fetch(&self, origin: &Origin, now: Timestamp) -> Option<FetchRequest> {
        self.listings(origin, now).into_iter().next()
    }

    /// The name of the list in a response, if its elements can be parsed independently: a long list is then parsed page
    /// by page. None if elements belong together, or if the response is about one dispatch.
    fn elements(&self, fetch: &FetchRequest) -> Option<&'static str> {
        let _ = fetch;
        None
    }

    /// Whether a list of the source that includes the dispatch contains all that this request would return.
    fn is_answered_by_list(&self, fetch: &FetchRequest) -> bool {
        let _ = fetch;
        false
    }

    /// Whether two dispatches of the provider's lists are the same call (Leap: by meter and by group).
    fn is_same_call(&self, one: &Fact, other: &Fact) -> bool {
        let _ = (one, other);
        false
    }

    /// The API request for a fetch, or for the next page of its response.
    fn request(&self, fetch: &FetchRequest, page_token: Option<&str>) -> Result<ApiRequest, UnreadableResponse>;

    /// The token of the next page; none after the last.
    fn next_page(&self, fetch: &FetchRequest, page: &str) -> Option<String> {
        let _ = (fetch, page);
        None
    }

    /// Parses the pages of a response.
    fn decode(&self, answer: &ApiResponse<'_>) -> Result<Parsed, UnreadableResponse>;
}
