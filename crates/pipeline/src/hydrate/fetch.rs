//! Requests to a provider: all pages of an answer, parsed into facts.

use dispatch::TraceParent;
use jiff::{SignedDuration, Timestamp};
use providers::{ApiResponse, Elements, FetchRequest, Parsed, UnreadableResponse};
use tracing::{Instrument, Span};

use super::{Bound, Hydrate};
use crate::{
    ingest::plain,
    job::{Failure, FailureKind},
    ports::{Clock, FetchError, Measurement, Metrics, Ports, ProviderApi, ms},
    trace::{self, Hop},
};

/// No search of gridbell has more pages; a provider with endless pages must not block an invocation.
const MAX_PAGES: usize = 60;

/// The size limit of all pages together, in bytes: they are in memory at the same time.
const MAX_PAGES_BYTES: usize = 16 * 1_024 * 1_024;

/// No further page is requested after this long: with the last request, it stays well below the function's timeout.
const MAX_PATIENCE: SignedDuration = SignedDuration::from_secs(8);

/// The time limit of one answer, including reading the key, and of a whole list.
const ANSWER: SignedDuration = SignedDuration::from_secs(5);
const LIST: SignedDuration = SignedDuration::from_secs(10);

/// The time reserved after a call of a provider, to settle the answer or pass on a failure.
pub(super) const RESERVE: SignedDuration = SignedDuration::from_secs(3);

/// With less time than this left, no call of a provider begins.
const LEAST: SignedDuration = SignedDuration::from_secs(5);

impl<P: Ports> Hydrate<'_, P> {
    /// Whether this invocation has time for another call of a provider.
    pub(super) fn has_time(&self) -> bool {
        self.left() >= LEAST
    }

    pub(super) fn left(&self) -> SignedDuration {
        self.host.ends_at().duration_since(self.host.now())
    }

    fn within(&self, most: SignedDuration) -> SignedDuration {
        most.min(self.left() - RESERVE).max(SignedDuration::from_secs(1))
    }

    /// Requests a list and reads it page by page; the pages of a long one contain different elements. Its facts are as
    /// of `began_at`.
    pub(super) async fn read_list(
        &self,
        bound: &Bound,
        fetch: &FetchRequest,
        traceparent: Option<TraceParent>,
        mut page: impl AsyncFnMut(Parsed) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let Some(name) = bound.provider.elements(fetch) else {
            return page(self.fetch(bound, fetch, traceparent).await?).await;
        };
        let began_at = self.host.now();
        let request = bound.provider.request(fetch, None).map_err(|error| self.response_failure(&error))?;
        let origin = &bound.origin;
        let fetched =
            self.api.fetch_list(&origin.source, &bound.source, &request, self.within(LIST), Elements::of(name));
        let fetched = async {
            let fetched = fetched.await;
            self.measure(bound, began_at, fetched.as_ref().err());
            fetched.inspect_err(|error| trace::failed(&error.to_string()))
        };
        let elements = match fetched.instrument(self.fetch_span(bound, fetch, traceparent)).await {
            Ok(elements) => elements,
            Err(error) => return Err(self.failed(bound, &error).await),
        };
        for bytes in elements.into_pages() {
            let pages = [plain::text(&bytes).into_owned()];
            let answer = ApiResponse { origin, fetch, began_at, pages: &pages };
            let parsed = bound.provider.decode(&answer).map_err(|error| self.response_failure(&error))?;
            page(parsed).await?;
        }
        Ok(())
    }

    /// Handles a failed request. After a 429, all processes must slow down; any other refusal concerns this request
    /// alone.
    async fn failed(&self, bound: &Bound, error: &FetchError) -> Failure {
        if let FetchError::Status { status: 429, retry_after_s, a_minute } = error {
            self.slow_down(bound, *retry_after_s, *a_minute).await;
        }
        self.fetch_failure(error)
    }

    /// Sends the request and parses the answer, which is as of the instant before the first request.
    pub(super) async fn fetch(
        &self,
        bound: &Bound,
        fetch: &FetchRequest,
        traceparent: Option<TraceParent>,
    ) -> Result<Parsed, Failure> {
        let fetched = async {
            let fetched = self.fetch_pages(bound, fetch).await;
            fetched.inspect_err(|failure| trace::failed(&failure.detail))
        };
        fetched.instrument(self.fetch_span(bound, fetch, traceparent)).await
    }

    fn fetch_span(&self, bound: &Bound, fetch: &FetchRequest, traceparent: Option<TraceParent>) -> Span {
        Hop::after(traceparent, self.host).span("fetch", &bound.origin.source, &fetch.key)
    }

    async fn fetch_pages(&self, bound: &Bound, fetch: &FetchRequest) -> Result<Parsed, Failure> {
        let began_at = self.host.now();
        let mut pages: Vec<String> = Vec::new();
        let mut token = None;
        loop {
            let request =
                bound.provider.request(fetch, token.as_deref()).map_err(|error| self.response_failure(&error))?;
            let asked_at = self.host.now();
            let page = self.api.fetch(&bound.origin.source, &bound.source, &request, self.within(ANSWER)).await;
            self.measure(bound, asked_at, page.as_ref().err());
            match page {
                Ok(page) => pages.push(page),
                Err(error) => return Err(self.failed(bound, &error).await),
            }
            let next = pages.last().and_then(|page| bound.provider.next_page(fetch, page));
            match next {
                None => break,
                Some(_) if pages.len() >= MAX_PAGES => {
                    let detail = format!("the answer has more than {MAX_PAGES} pages");
                    return Err(Failure::new(FailureKind::Answer, self.host.now(), detail));
                }
                Some(_) if self.host.now().duration_since(began_at) > MAX_PATIENCE || !self.has_time() => {
                    let detail = format!("{} pages took too long, and there are more", pages.len());
                    return Err(Failure::new(FailureKind::Provider, self.host.now(), detail));
                }
                Some(_) if pages.iter().map(String::len).sum::<usize>() > MAX_PAGES_BYTES => {
                    let detail = format!("{} pages are more than {MAX_PAGES_BYTES} bytes", pages.len());
                    return Err(Failure::new(FailureKind::Answer, self.host.now(), detail));
                }
                next => token = next,
            }
        }
        let answer = ApiResponse { origin: &bound.origin, fetch, began_at, pages: &pages };
        bound.provider.decode(&answer).map_err(|error| self.response_failure(&error))
    }

    fn measure(&self, bound: &Bound, asked_at: Timestamp, error: Option<&FetchError>) {
        let (source, took) = (bound.origin.source.as_str(), self.host.now().duration_since(asked_at));
        // What it does not know yet, and a key that we cannot read, are no failures of the provider.
        let has_failed = error.is_some_and(|error| !matches!(error, FetchError::Missing | FetchError::Key(_)));
        self.host.measure(Measurement::Provider { source, took_ms: ms(took), has_failed });
    }

    fn response_failure(&self, error: &UnreadableResponse) -> Failure {
        let kind = match error {
            // Probably not there yet: a new dispatch may not be readable at once.
            UnreadableResponse::Missing(_) => FailureKind::Missing,
            UnreadableResponse::Shape(_) => FailureKind::UnreadableResponse,
            UnreadableResponse::OtherId { .. } => FailureKind::Answer,
            UnreadableResponse::Foreign(_) => FailureKind::Unreadable,
        };
        Failure::new(kind, self.host.now(), error.to_string())
    }

    fn fetch_failure(&self, error: &FetchError) -> Failure {
        let (kind, retry_after_s) = match error {
            FetchError::Refused { .. } | FetchError::Key(_) => (FailureKind::Credentials, None),
            FetchError::Missing => (FailureKind::Missing, None),
            FetchError::Status { retry_after_s, .. } => (FailureKind::Provider, *retry_after_s),
            FetchError::Answer(_) => (FailureKind::Provider, None),
            FetchError::Unreadable(_) => (FailureKind::UnreadableResponse, None),
        };
        Failure { retry_after_s, ..Failure::new(kind, self.host.now(), error.to_string()) }
    }
}
