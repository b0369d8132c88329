//! Why a stack cannot be used, each in one line that says what to do.

use crate::proxies::ProxyError;

/// Why a stack cannot be opened, or does not do what was requested.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no description of a local stack.
    #[error(
        "no stack is up here ({file} is not there): start one with `gridbell up`, or name a deployed one with --stack NAME"
    )]
    NoneHere {
        /// The expected description file.
        file: String,
    },
    /// The description is invalid.
    #[error("{file} describes no stack: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The described stack does not respond.
    #[error("the stack of {file} does not answer at {endpoint}: it has ended; `gridbell up` starts one")]
    Gone {
        /// The description.
        file: String,
        /// Its endpoint.
        endpoint: String,
    },
    /// No AWS region is set.
    #[error("no AWS region is known: say --region NAME, set AWS_REGION, or give the profile one")]
    NoRegion,
    /// No AWS settings file contains the profile.
    #[error("the AWS profile {profile} is not set up: `aws configure list-profiles` names those that are")]
    NoProfile {
        /// The profile.
        profile: String,
    },
    /// There is no such stack.
    #[error(
        "there is no stack {name} in {region}: `aws cloudformation list-stacks --region {region}` names those that there are"
    )]
    NoSuchStack {
        /// The name.
        name: String,
        /// The region that was searched.
        region: String,
    },
    /// The stack exists, but is not a gridbell stack.
    #[error("the stack {name} is no gridbell: it has no {lacks}")]
    Foreign {
        /// The name.
        name: String,
        /// The output that a gridbell stack has.
        lacks: String,
    },
    /// No configuration is applied.
    #[error("no configuration is applied to {name}: run `gridbell config apply`")]
    NoConfig {
        /// The name.
        name: String,
    },
    /// An error of AWS in plain words.
    #[error("{0}")]
    Said(String),
}

/// Rewrites AWS's common errors as instructions; other errors stay as they are, on one line.
pub fn plainly(said: &str, profile: Option<&str>) -> String {
    let login =
        profile.map_or_else(|| "aws sso login".to_owned(), |profile| format!("aws sso login --profile {profile}"));
    let has = |parts: &[&str]| parts.iter().any(|part| said.contains(part));
    if let Some(at) = said.find(ProxyError::SAYS) {
        let from = said[..at].rfind([' ', '(']).map_or(0, |space| space + 1);
        return one_line(&said[from..]);
    }
    if let Some(action) = after(said, "is not authorized to perform: ") {
        return format!(
            "access denied: this identity may not {action}; ask for that permission, or use another --profile"
        );
    }
    if has(&[
        "ExpiredToken",
        "token included in the request is expired",
        "session has expired",
        "SSO session",
        "token has expired",
        "CachedSsoToken",
        "SSO token",
    ]) {
        return format!("the AWS session has expired: run `{login}`");
    }
    if has(&[
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "SignatureDoesNotMatch",
        "InvalidSignature",
        "IncompleteSignature",
    ]) {
        return "AWS does not know these credentials: check AWS_ACCESS_KEY_ID and the profile, or use another --profile".to_owned();
    }
    if has(&["AccessDenied"]) {
        return format!("access denied: {}", one_line(said));
    }
    if has(&[
        "no providers in chain provided credentials",
        "CredentialsNotLoaded",
        "the credential provider was not enabled",
        "no credentials",
    ]) {
        return format!(
            "nobody is signed in to AWS: run `{login}`, name a --profile, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        );
    }
    if has(&["dispatch failure", "does not answer", "dns error", "timeout", "timed out"]) {
        return format!("AWS does not answer: check the network and the region ({})", one_line(said));
    }
    one_line(said)
}

/// The word after `mark`.
fn after<'t>(text: &'t str, mark: &str) -> Option<&'t str> {
    let rest = text.split_once(mark)?.1;
    rest.split([' ', '\n', '<']).next().filter(|word| !word.is_empty())
}

fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(400) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_say_what_to_do() {
        let check = |said: &str, expected: &str| {
            let plain = plainly(said, Some("duty"));
            assert!(plain.contains(expected) && !plain.contains('\n'), "{plain}");
        };
        check(
            "dispatches: service error: AccessDeniedException: User: arn:aws:sts::1:x is not authorized to perform: dynamodb:Scan on resource: y",
            "may not dynamodb:Scan;",
        );
        check("the SSO session has expired or is otherwise invalid", "aws sso login --profile duty");
        check("ExpiredTokenException: The security token included in the request is expired", "has expired");
        check("UnrecognizedClientException: The security token included in the request is invalid", "does not know");
        check("no providers in chain provided credentials", "nobody is signed in");
        check("dispatch failure: io error:\n connection refused", "does not answer");
        check("something\n  else", "something else");
        let said = "https://x does not answer: error sending request: HTTPS_PROXY names no proxy that can be used: write http://HOST:PORT";
        assert_eq!(plainly(said, None), "HTTPS_PROXY names no proxy that can be used: write http://HOST:PORT");
    }
}
