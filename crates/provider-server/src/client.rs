//! Controls a simulator that runs elsewhere: in `gridbell providers` or in `gridbell up`.

use std::{collections::VecDeque, time::Duration};

use provider_sims::{Fault, Hook, LogEntry, PlayId};
use reqwest::Client;
use serde::de::DeserializeOwned;
use url::Url;

use super::{
    admin::{About, Play, Playing},
    post::in_words,
};

/// How long a simulator may take to answer.
const ANSWERS: Duration = Duration::from_secs(5);

/// How often its log is read.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Why a request to a simulator failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server does not answer.
    #[error("nothing answers at {url}: {reason}")]
    Gone {
        /// The simulator's address.
        url: Url,
        /// The reason.
        reason: String,
    },
    /// The server is no simulator.
    #[error("what answers at {url} is no simulator")]
    Real {
        /// The server's address.
        url: Url,
    },
    /// The simulator refuses the request.
    #[error("{0}")]
    Refused(String),
}

/// A client of a simulator.
#[derive(Debug, Clone)]
pub struct RemoteSimulator {
    http: Client,
    /// The base of `/_simulator`.
    url: Url,
    provider: String,
}

impl RemoteSimulator {
    /// Finds the simulator behind a source's `api_url`.
    ///
    /// # Errors
    /// The server does not answer, or is no simulator.
    pub async fn find(http: &Client, api_url: &Url) -> Result<Self, ClientError> {
        let mut url = api_url.clone();
        url.set_path("/");
        let mut found = Self { http: http.clone(), url, provider: String::new() };
        match found.call::<About>(http.get(found.at("/"))).await {
            Ok(about) => {
                found.provider = about.simulates;
                Ok(found)
            }
            Err(ClientError::Refused(_)) => Err(ClientError::Real { url: found.url }),
            Err(error) => Err(error),
        }
    }

    /// The simulated provider.
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// Begins an exercise. Without a hook, its webhooks go to the registered ones.
    ///
    /// # Errors
    /// The simulator does not know the exercise, or does not answer.
    pub async fn play(
        &self,
        exercise: &str,
        hook: Option<Hook>,
        speed: u32,
        misbehave: Vec<Fault>,
    ) -> Result<Following, ClientError> {
        let play = Play { exercise: exercise.to_owned(), hook, speed: Some(speed), misbehave };
        let playing: Playing = self.call(self.http.post(self.at("/plays")).json(&play)).await?;
        Ok(Following { simulator: self.clone(), play: playing.play, after: 0, come: VecDeque::new() })
    }

    fn at(&self, path: &str) -> String {
        format!("{}_simulator{}", self.url, path.trim_end_matches('/'))
    }

    fn gone(&self, error: reqwest::Error) -> ClientError {
        ClientError::Gone { url: self.url.clone(), reason: in_words(error.without_url()) }
    }

    async fn call<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<T, ClientError> {
        let response = request.timeout(ANSWERS).send().await.map_err(|error| self.gone(error))?;
        let status = response.status();
        let text = response.text().await.map_err(|error| self.gone(error))?;
        let refused = || {
            let said: Option<serde_json::Value> = serde_json::from_str(&text).ok();
            let message = said.and_then(|said| said["message"].as_str().map(str::to_owned));
            ClientError::Refused(message.unwrap_or_else(|| format!("{status} from {}", self.url)))
        };
        if !status.is_success() {
            return Err(refused());
        }
        serde_json::from_str(&text).map_err(|_| refused())
    }
}

/// A running exercise.
#[derive(Debug)]
pub struct Following {
    simulator: RemoteSimulator,
    play: PlayId,
    after: u64,
    come: VecDeque<LogEntry>,
}

impl Following {
    /// Waits for the next log entry.
    ///
    /// # Errors
    /// The simulator no longer answers.
    pub async fn next(&mut self) -> Result<LogEntry, ClientError> {
        loop {
            if let Some(entry) = self.come.pop_front() {
                return Ok(entry);
            }
            let request = self.simulator.http.get(self.simulator.at(&format!("/log/{}", self.after)));
            let entries: Vec<LogEntry> = self.simulator.call(request).await?;
            self.after = entries.last().map_or(self.after, |entry| entry.number);
            self.come.extend(entries.into_iter().filter(|entry| entry.play == self.play));
            if self.come.is_empty() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }
}
