//! Where a secret is stored: the configuration never contains its value.

use std::fmt;

use serde::{Deserialize, Serialize, de};

/// Where a secret is stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reference {
    /// The path of an SSM `SecureString` parameter.
    Ssm(String),
    /// The name of a variable: in a configuration, of the environment of gridbell's command line.
    Env(String),
}

/// The longest path of an SSM parameter.
const MOST_PATH: usize = 1011;

impl Reference {
    /// Parses `ssm:/path/of/parameter` or `env:NAME`. Other text may be a secret itself, so errors do not show it.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, name) = text.split_once(':')?;
        match kind {
            "ssm" if is_path(name) => Some(Self::Ssm(name.to_owned())),
            "env" if is_variable(name) => Some(Self::Env(name.to_owned())),
            _ => None,
        }
    }
}

fn is_path(path: &str) -> bool {
    path.len() <= MOST_PATH
        && path.starts_with('/')
        && !path.ends_with('/')
        && !path.contains("//")
        && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_.-".contains(&byte))
}

fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ssm(path) => write!(f, "ssm:{path}"),
            Self::Env(name) => write!(f, "env:{name}"),
        }
    }
}

impl Serialize for Reference {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("a reference is ssm:/path/of/parameter or env:NAME"))
    }
}
