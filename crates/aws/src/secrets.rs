//! API keys by reference: read when needed, cached for five minutes, read again after a provider refused one.

use std::{collections::HashMap, fmt, time::Duration};

use aws_types::SdkConfig;
pub use pipeline::config::Reference;
use serde::Deserialize;
use serde_json::json;
use tokio::{sync::Mutex, time::Instant};

use crate::signed::{Call, CallError, Service};

/// How long a key is cached.
const CACHED_FOR: Duration = Duration::from_mins(5);
/// The minimum time between two reads of a key because a provider refuses it.
const AT_MOST_EVERY: Duration = Duration::from_secs(30);

/// The pauses before a failed read is repeated: a temporary failure of the store is not a refused key.
const AGAIN_AFTER: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];

/// A value that is never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value. Only the code that sends it may call this.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A store of keys.
#[expect(async_fn_in_trait, reason = "the callers are generic: the compiler checks Send where the types are known")]
pub trait KeySource {
    /// The key, or the reason why it cannot be read.
    async fn read(&self, reference: &Reference) -> Result<Secret, String>;
}

/// SSM and the environment.
#[derive(Debug, Clone)]
pub struct AwsKeys(Service);

/// The parts of SSM's answer to `GetParameter` that are used.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetParameter {
    parameter: Parameter,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    value: String,
}

impl AwsKeys {
    /// A store that reads SSM with that client.
    pub fn new(aws: &SdkConfig, http: reqwest::Client) -> Self {
        Self(Service::new(http, aws, "ssm"))
    }

    /// A parameter's value, decrypted. SSM's error texts contain no value.
    async fn parameter(&self, name: &str) -> Result<String, String> {
        let headers = &[("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "AmazonSSM.GetParameter")];
        let body = json!({ "Name": name, "WithDecryption": true }).to_string();
        let call = Call { action: "ssm:GetParameter", headers, body };
        let mut answer = self.0.post(&call).await;
        for pause in AGAIN_AFTER {
            if !answer.as_ref().is_err_and(CallError::is_passing) {
                break;
            }
            tokio::time::sleep(pause).await;
            answer = self.0.post(&call).await;
        }
        let answer = answer.map_err(|error| error.to_string())?;
        let answer: GetParameter =
            serde_json::from_str(&answer).map_err(|_| "ssm:GetParameter answered with something else".to_owned())?;
        Ok(answer.parameter.value)
    }
}

impl KeySource for AwsKeys {
    async fn read(&self, reference: &Reference) -> Result<Secret, String> {
        let value = match reference {
            Reference::Ssm(name) => self.parameter(name).await?,
            Reference::Env(name) => std::env::var(name).unwrap_or_default(),
        };
        match value.trim() {
            "" => Err("it is empty or not set".to_owned()),
            value => Ok(Secret::new(value)),
        }
    }
}

/// A cache of keys.
#[derive(Debug)]
pub struct Vault<K> {
    source: K,
    cache: Mutex<HashMap<Reference, CachedKey>>,
}

#[derive(Debug, Clone)]
struct CachedKey {
    secret: Secret,
    read_at: Instant,
}

impl<K: KeySource> Vault<K> {
    /// An empty cache.
    pub fn new(source: K) -> Self {
        Self { source, cache: Mutex::new(HashMap::new()) }
    }

    /// The key.
    pub async fn key(&self, reference: &Reference) -> Result<Secret, String> {
        // Locked while reading, so that a cold batch reads the key once.
        let mut cache = self.cache.lock().await;
        let known = cache.get(reference).cloned();
        if let Some(known) = known.as_ref().filter(|known| known.read_at.elapsed() < CACHED_FOR) {
            return Ok(known.secret.clone());
        }
        match (self.source.read(reference).await, known) {
            (Ok(secret), _) => {
                cache.insert(reference.clone(), CachedKey { secret: secret.clone(), read_at: Instant::now() });
                Ok(secret)
            }
            // The last working key is better than none.
            (Err(reason), Some(known)) => {
                tracing::warn!(key.reference = %reference, reason, "an API key cannot be read anew; the last one is used");
                Ok(known.secret)
            }
            (Err(reason), None) => Err(format!("{reference}: {reason}")),
        }
    }

    /// A key that differs from the refused one, if the store has one now.
    pub async fn other_than(&self, refused: &Secret, reference: &Reference) -> Option<Secret> {
        let mut cache = self.cache.lock().await;
        let known = cache.get(reference)?;
        if known.secret == *refused {
            if known.read_at.elapsed() < AT_MOST_EVERY {
                return None;
            }
            let secret = self.source.read(reference).await.ok()?;
            cache.insert(reference.clone(), CachedKey { secret, read_at: Instant::now() });
        }
        cache.get(reference).map(|known| known.secret.clone()).filter(|secret| secret != refused)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Returns `key-1`, `key-2` …, changing with every `per` reads.
    struct Rotating {
        reads: AtomicUsize,
        per: usize,
    }

    impl KeySource for &Rotating {
        async fn read(&self, _reference: &Reference) -> Result<Secret, String> {
            let read = self.reads.fetch_add(1, Ordering::Relaxed);
            Ok(Secret::new(format!("key-{}", read / self.per)))
        }
    }

    fn reference() -> Reference {
        Reference::parse("ssm:/gridbell/voltus").unwrap()
    }

    #[test]
    fn only_references_are_references() {
        assert_eq!(Reference::parse("env:KEY"), Some(Reference::Env("KEY".to_owned())));
        for text in ["", "sk-123", "ssm:", "ssm:/", "ssm:name", "env:", "file:/etc/key"] {
            assert_eq!(Reference::parse(text), None, "{text}");
        }
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "[redacted]");
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_read_once_in_five_minutes() {
        let source = Rotating { reads: AtomicUsize::new(0), per: 1 };
        let vault = Vault::new(&source);
        assert_eq!(vault.key(&reference()).await, vault.key(&reference()).await);
        tokio::time::advance(Duration::from_secs(301)).await;
        assert_eq!(vault.key(&reference()).await, Ok(Secret::new("key-1")));
        assert_eq!(source.reads.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_key_is_read_anew_at_most_every_thirty_seconds() {
        let source = Rotating { reads: AtomicUsize::new(0), per: 2 };
        let vault = Vault::new(&source);
        let refused = vault.key(&reference()).await.unwrap();
        assert_eq!(vault.other_than(&refused, &reference()).await, None);
        assert_eq!(source.reads.load(Ordering::Relaxed), 1);
        tokio::time::advance(Duration::from_secs(31)).await;
        assert_eq!(vault.other_than(&refused, &reference()).await, None); // read, and still the same
        tokio::time::advance(Duration::from_secs(31)).await;
        assert_eq!(vault.other_than(&refused, &reference()).await, Some(Secret::new("key-1")));
        assert_eq!(vault.other_than(&refused, &reference()).await, Some(Secret::new("key-1")));
        assert_eq!(source.reads.load(Ordering::Relaxed), 3);
    }
}
