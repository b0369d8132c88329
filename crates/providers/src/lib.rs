//! The four providers: what each one sends and answers, turned into facts.
//!
//! A provider is sans-I/O and object-safe. It says what to ask ([`ApiRequest`], a typed path and never a URL) and reads what came back;
//! who asks, where and with which key is not its business, so an outgoing address cannot even be expressed here.
//! Adding a provider: one folder, one line in [`PROVIDERS`].

mod amount;
mod diagnostics;
mod elements;
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
mod request;
mod voltus;

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod testing;

pub use elements::Elements;
pub use parsed::{ApiResponse, Delivery, Diagnostic, FetchRequest, Parsed, Unreadable, UnreadableResponse};
pub use request::{ApiPath, ApiRequest, Id, KeyHeader, Method};

use dispatch::{Fact, Origin};
use jiff::Timestamp;

/// Every provider that a source can name.
pub static PROVIDERS: &[&dyn Provider] = &[&voltus::Voltus, &leap::Leap, &nvgrid::NvGrid, &openvolt::Openvolt];

/// The provider of that name.
pub fn provider(name: &str) -> Option<&'static dyn Provider> {
    PROVIDERS.iter().copied().find(|provider| provider.name() == name)
}

/// What is particular to one provider.
pub trait Provider: Sync {
    /// Its name in the configuration, in signals and in subjects' data: lower case.
    fn name(&self) -> &'static str;

    /// The base of its own API for production and sandbox, before the documented path; none where nothing is fetched.
    fn api_url(&self, sandbox: bool) -> Option<&'static str>;

    /// How it takes the API key; none where nothing is fetched.
    fn key_header(&self) -> Option<KeyHeader>;

    /// Whether what it announces must be acted on in time, so that a person is told by the clock where it cannot be fetched.
    fn is_time_critical(&self) -> bool {
        true
    }

    /// Whether a body is the provider's registration handshake, to be answered and forgotten.
    fn is_ping(&self, body: &str) -> bool {
        let _ = body;
        false
    }

    /// Reads an authentic webhook body.
    fn parse(&self, delivery: &Delivery<'_>, body: &str) -> Result<Parsed, Unreadable>;

    /// Where to look when a push contradicts what is known (`known`: the statement that was published last); none where the
    /// provider has nothing to ask.
    fn settle(&self, push: &Fact, known: Option<&dispatch::DispatchTerms>) -> Option<FetchRequest> {
        let _ = (push, known);
        None
    }

    /// What to ask to see every dispatch that runs, is to come, or was over a little while ago: one look for each list that the
    /// provider has. None where it lists nothing. A list's answer may hold anything, nothing included; what of it can be read
    /// becomes facts as a single answer would.
    fn listings(&self, origin: &Origin, now: Timestamp) -> Vec<FetchRequest> {
        let _ = (origin, now);
        Vec::new()
    }

    /// The name of the list that a look's answer consists of, where each of its elements can be read without the others: a long one is
    /// then read page by page. None where elements belong together, or where the answer is about one dispatch.
    fn elements(&self, fetch: &FetchRequest) -> Option<&'static str> {
        let _ = fetch;
        None
    }

    /// Whether a list of the source that shows the dispatch says all that this look's own answer would.
    fn is_answered_by_list(&self, fetch: &FetchRequest) -> bool {
        let _ = fetch;
        false
    }

    /// Whether two dispatches of the provider's lists are one call seen from two sides (Leap: by meter and by group).
    fn is_same_call(&self, one: &Fact, other: &Fact) -> bool {
        let _ = (one, other);
        false
    }

    /// The request for a look, or for the next page of its answer.
    fn request(&self, fetch: &FetchRequest, page_token: Option<&str>) -> Result<ApiRequest, UnreadableResponse>;

    /// The token of the page after this one; none after the last.
    fn next_page(&self, fetch: &FetchRequest, page: &str) -> Option<String> {
        let _ = (fetch, page);
        None
    }

    /// Reads the pages of an answer.
    fn decode(&self, answer: &ApiResponse<'_>) -> Result<Parsed, UnreadableResponse>;
}
