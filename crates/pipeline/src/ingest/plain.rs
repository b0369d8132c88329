//! Plain JSON over HTTP: the bytes decide what a body is, not its headers.

use std::borrow::Cow;

/// Some writers put it before UTF-8. It is not part of the JSON.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The first bytes of compressed bodies. Brotli and raw deflate have no fixed ones. An HTTP API may treat a body as
/// text and replace bytes that are not UTF-8, so gzip and zstd are listed in that form as well.
const COMPRESSED: [(&[u8], &str); 10] = [
    (b"\x1f\x8b", "gzip"),
    (b"\x1f\x9d", "compress"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x78\x01", "deflate"),
    (b"\x78\x5e", "deflate"),
    (b"\x78\x9c", "deflate"),
    (b"\x78\xda", "deflate"),
    (b"\xff\x44\x43\x42", "dcb"),
    (b"\x1f\xef\xbf\xbd\x08", "gzip"),
    (b"\x28\xef\xbf\xbd\x2f\xef\xbf\xbd", "zstd"),
];

/// The codings registered at IANA that `content-encoding` may name.
const CODINGS: [&str; 13] = [
    "aes128gcm",
    "br",
    "compress",
    "dcb",
    "dcz",
    "deflate",
    "exi",
    "gzip",
    "pack200-gzip",
    "x-compress",
    "x-gzip",
    "zstd",
    "x-zstd",
];

/// The bytes without a byte order mark.
pub fn unmarked(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    while let Some(after) = rest.strip_prefix(BYTE_ORDER_MARK) {
        rest = after;
    }
    rest
}

/// The text without a byte order mark. Bytes that are not UTF-8 become U+FFFD: they are probably in a name, and the
/// rest is readable.
pub fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(unmarked(bytes))
}

/// How a body that is not plain JSON is compressed: by its first bytes, else by its `content-encoding`. None: it is not
/// compressed.
pub fn compression(body: &[u8], content_encoding: Option<&str>) -> Option<&'static str> {
    if body.is_empty() {
        return None;
    }
    let begins = COMPRESSED.into_iter().find(|(magic, _)| body.starts_with(magic)).map(|(_, coding)| coding);
    begins.or_else(|| {
        let words = content_encoding.unwrap_or_default().split(',').map(str::trim);
        words.into_iter().find_map(|word| CODINGS.into_iter().find(|coding| word.eq_ignore_ascii_case(coding)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_is_skipped_and_bad_bytes_are_replaced() {
        let check = |bytes: &[u8], expected: &str| assert_eq!(text(bytes), expected);
        check(b"{}", "{}");
        check(b"\xef\xbb\xbf{}", "{}");
        check(b"\xef\xbb\xbf\xef\xbb\xbf {}", " {}");
        check(b"{}\xef\xbb\xbf", "{}\u{feff}");
        check(b"\"\xe9\"", "\"\u{fffd}\"");
        check(b"\xef\xbb", "\u{fffd}");
        check(b"", "");
    }

    #[test]
    fn a_compression_is_known_by_its_first_bytes_or_by_a_real_name() {
        let check = |body: &[u8], named: Option<&str>, expected: Option<&str>| {
            assert_eq!(compression(body, named), expected, "{body:?} {named:?}");
        };
        check(b"\x1f\x8b\x08\0", None, Some("gzip"));
        check(b"\x1f\x8b\x08\0", Some("identity"), Some("gzip"));
        check(b"\x28\xb5\x2f\xfd\0", Some("gzip"), Some("zstd"));
        for (bytes, coding) in [(b"\x1f\x8b\x08\0", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd")] {
            check(String::from_utf8_lossy(bytes).as_bytes(), None, Some(coding));
        }
        check(b"\x78\x9c\xab\xae", None, Some("deflate"));
        check(b"\x0b\x01\x80{}\x03", Some("br"), Some("br"));
        check(b"\x0b\x01\x80{}\x03", Some("identity, BR"), Some("br"));
        check(b"\x0b\x01\x80{}\x03", None, None);
        check(b"x is no JSON", None, None);
        for named in ["identity", "UTF-8", "", "none", "utf8", "binary", "identity, identity", "gzipped", "\u{fffd}"] {
            check(b"x is no JSON", Some(named), None);
        }
        check(b"", Some("gzip"), None);
    }
}
