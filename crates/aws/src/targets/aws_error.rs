//! What AWS's refusals mean for an output.

use pipeline::ports::{SendError, SendFailure};

/// Parts of AWS's codes and messages about one message or event.
const OF_THE_EVENT: [&str; 4] =
    ["InvalidMessageContents", "InvalidParameterValue", "MalformedDetail", "InvalidArgument"];

/// Parts of AWS's messages about its size.
const TOO_LARGE: [&str; 4] =
    ["must be shorter than", "BatchRequestTooLong", "Total size of the entries", "exceeds the maximum"];

/// The error of a refused call. Its text contains AWS's code and message, and no sent data.
pub(super) fn refused(text: String) -> SendError {
    let has = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
    let kind = if has(&TOO_LARGE) {
        SendFailure::TooLarge
    } else if has(&OF_THE_EVENT) {
        SendFailure::Event
    } else {
        SendFailure::Output
    };
    SendError { kind, retry_after_s: None, detail: text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_about_the_event_or_about_the_output() {
        let check = |text: &str, expected: SendFailure| assert_eq!(refused(text.to_owned()).kind, expected, "{text}");
        check("InvalidParameterValue: Message must be shorter than 262144 bytes.", SendFailure::TooLarge);
        check(
            "ValidationException: Total size of the entries in the request is over the limit.",
            SendFailure::TooLarge,
        );
        check("InvalidMessageContents: invalid characters", SendFailure::Event);
        check("AccessDenied: not authorized to perform sqs:sendmessage", SendFailure::Output);
        check("AWS.SimpleQueueService.NonExistentQueue: no such queue", SendFailure::Output);
        check("dispatch failure: timeout", SendFailure::Output);
    }
}
