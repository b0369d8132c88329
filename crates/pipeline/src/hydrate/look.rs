//! Asking a provider: all pages of an answer, read into facts.

use jiff::SignedDuration;
use providers::{Answer, Look, Reading, UnreadableAnswer};

use super::{Bound, Hydrate};
use crate::{
    ports::{Chance, Clock, FetchError, ProviderApi},
    work::{Trouble, TroubleKind},
};

/// No search that we make has more pages; a provider that never ends its pages must not hold an invocation.
const MAX_PAGES: usize = 60;

/// All pages together are no larger, in bytes: they are in memory at once.
const MAX_PAGES_BYTES: usize = 16 * 1_024 * 1_024;

/// No further page is asked for after this long: with the last fetch it stays well below the function's timeout.
const MAX_PATIENCE: SignedDuration = SignedDuration::from_secs(8);

impl<T, S, F: ProviderApi, D, O, C: Clock + Chance> Hydrate<'_, T, S, F, D, O, C> {
    /// Asks, and reads the answer. It holds as of the instant before the first request.
    pub(super) async fn look(&self, bound: &Bound, look: &Look) -> Result<Reading, Trouble> {
        let began_at = self.world.now();
        let mut pages: Vec<String> = Vec::new();
        let mut token = None;
        loop {
            let ask = bound.provider.ask(look, token.as_deref()).map_err(|error| self.answer_trouble(&error))?;
            let page = self.api.fetch(&bound.origin.source, &bound.source, &ask).await;
            pages.push(page.map_err(|error| self.fetch_trouble(&error))?);
            let next = pages.last().and_then(|page| bound.provider.next_page(look, page));
            match next {
                None => break,
                Some(_) if pages.len() >= MAX_PAGES => {
                    let detail = format!("the answer has more than {MAX_PAGES} pages");
                    return Err(Trouble::new(TroubleKind::Answer, self.world.now(), detail));
                }
                Some(_) if self.world.now().duration_since(began_at) > MAX_PATIENCE => {
                    let detail = format!("{} pages took too long, and there are more", pages.len());
                    return Err(Trouble::new(TroubleKind::Provider, self.world.now(), detail));
                }
                Some(_) if pages.iter().map(String::len).sum::<usize>() > MAX_PAGES_BYTES => {
                    let detail = format!("{} pages are more than {MAX_PAGES_BYTES} bytes", pages.len());
                    return Err(Trouble::new(TroubleKind::Answer, self.world.now(), detail));
                }
                next => token = next,
            }
        }
        let answer = Answer { origin: &bound.origin, look, began_at, pages: &pages };
        bound.provider.decode(&answer).map_err(|error| self.answer_trouble(&error))
    }

    fn answer_trouble(&self, error: &UnreadableAnswer) -> Trouble {
        let kind = match error {
            // Not there yet, most likely: a fresh dispatch may not be readable at once.
            UnreadableAnswer::Missing(_) => TroubleKind::Missing,
            UnreadableAnswer::Shape(_) => TroubleKind::UnreadableAnswer,
            UnreadableAnswer::OtherId { .. } => TroubleKind::Answer,
            UnreadableAnswer::Look(_) => TroubleKind::Unreadable,
        };
        Trouble::new(kind, self.world.now(), error.to_string())
    }

    fn fetch_trouble(&self, error: &FetchError) -> Trouble {
        let (kind, retry_after_s) = match error {
            FetchError::Refused { .. } | FetchError::Key(_) => (TroubleKind::Credentials, None),
            FetchError::Missing => (TroubleKind::Missing, None),
            FetchError::Status { retry_after_s, .. } => (TroubleKind::Provider, *retry_after_s),
            FetchError::Answer(_) => (TroubleKind::Provider, None),
            FetchError::Unreadable(_) => (TroubleKind::UnreadableAnswer, None),
        };
        Trouble { retry_after_s, ..Trouble::new(kind, self.world.now(), error.to_string()) }
    }
}
