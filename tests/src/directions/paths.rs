//! The paths in a file of Rust that begin with `crate`, `super` or `self`, in imports and elsewhere.

/// All of them, as segments. Comments and unit tests at the end are left out.
pub(super) fn paths(text: &str) -> Vec<Vec<String>> {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    let lines = code.lines().map(|line| line.split("//").next().unwrap_or(line));
    let code = lines.collect::<Vec<_>>().join("\n");
    let mut found = Vec::new();
    for word in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(word) {
            let before = code[..at].chars().next_back();
            if !before.is_some_and(|before| before.is_alphanumeric() || matches!(before, '_' | ':')) {
                tree(&code[at..], &[], &mut found);
            }
        }
    }
    found
}

/// Reads a path, or a tree of paths as in `a::{b, c::d}`; returns what follows it.
fn tree<'t>(text: &'t str, before: &[String], found: &mut Vec<Vec<String>>) -> &'t str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = rest.trim_start_matches(|next: char| next.is_whitespace() || next == ',');
            if rest.is_empty() || rest.starts_with('}') {
                return rest.strip_prefix('}').unwrap_or(rest);
            }
            // An alias follows the path.
            let after = tree(rest, before, found);
            rest = after.trim_start_matches(|next| !matches!(next, ',' | '}'));
        }
    }
    let end = text.find(|next: char| !next.is_alphanumeric() && next != '_').unwrap_or(text.len());
    let (segment, rest) = text.split_at(end);
    let path = [before, &[segment.to_owned()]].concat();
    match rest.strip_prefix("::") {
        Some(rest) if !segment.is_empty() => tree(rest, &path, found),
        _ => {
            // `*` and what is no name, such as `<`, end the path before them.
            found.push(if segment.is_empty() { before.to_vec() } else { path });
            rest
        }
    }
}

#[test]
fn paths_are_read_from_imports_and_from_code() {
    let text = "use crate::{a::{b, self as c, D::*}, e};\npub(crate) fn f() { super::g::h::<u8>() } // crate::i\n\
                macro_crate::j();\nself::k::L;\n#[cfg(test)]\nmod tests {\n use crate::m;";
    let found: Vec<String> = paths(text).into_iter().map(|path| path.join("::")).collect();
    assert_eq!(found, ["crate::a::b", "crate::a::self", "crate::a::D", "crate::e", "super::g::h", "self::k::L"]);
}
