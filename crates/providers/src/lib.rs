//! The providers: what each one sends and answers, turned into facts.
//!
//! A provider is sans-I/O and object-safe. It says what to ask ([`ApiRequest`], a typed path and never a URL) and reads what came back;
//! who asks, where and with which key is not its business, so an outgoing address cannot even be expressed here.
//! Adding a provider: one folder and its lines in this file (README.md).

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

/// The providers that gridbell ships, in the order in which they are listed to people. Nothing else outside a provider's folder
/// names it.
pub static PROVIDERS: &[&dyn Provider] = &[&voltus::Voltus, &leap::Leap, &nvgrid::NvGrid, &openvolt::Openvolt];

/// What is particular to one provider. A method without a default is one that every provider must decide.
pub trait Provider: Sync {
    /// Its name in the configuration, in signals and in subjects' data: lower case.
    fn name(&self) -> &'static str;

    /// Its name as people write it.
    fn title(&self) -> &'static str {
        self.name()
    }

    /// The base of its own API for production and sandbox, before the documented path; none where nothing is fetched.
    fn api_url(&self, sandbox: bool) -> Option<&'static str>;

    /// How it takes the API key; none where nothing is fetched.
    fn key_header(&self) -> Option<KeyHeader>;

    /// Whether what it announces must be acted on in time, so that a person is told by the clock where it cannot be fetched.
    fn is_time_critical(&self) -> bool {
        true
    }

    /// Which of several dispatches governs a target that all of them name. None only where it announces neither dispatches nor power
    /// events.
    fn governs(&self) -> Option<Precedence>;

    /// Whether its API is gRPC, which the CLI speaks and the functions do not. A source's `api_key` is then a login.
    fn is_grpc(&self) -> bool {
        false
    }

    /// The registration handshake as the provider sends it; none where it sends none.
    fn ping(&self) -> Option<&'static str> {
        None
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

    /// A request that changes nothing and shows whether the API key is accepted: the first list, unless the provider says otherwise.
    fn harmless_fetch(&self, origin: &Origin, now: Timestamp) -> Option<FetchRequest> {
        self.listings(origin, now).into_iter().next()
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
