//! The providers' webhook bodies and responses, including all known edge cases: for tests, sample events and simulated
//! providers. They are the files in the folders `<provider>/fixtures`; `build.rs` finds them.

/// Each with its name, such as `voltus/webhook_create.json`.
const ALL: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/fixtures.rs"));

/// A fixture by its name, such as `voltus/webhook_create.json`.
pub fn named(name: &str) -> Option<&'static str> {
    all().find(|(known, _)| *known == name).map(|(_, text)| text)
}

/// All fixtures of all providers with their names.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    ALL.iter().copied()
}

/// The fixtures of one provider with their file names.
pub fn of(provider: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    all().filter_map(move |(name, text)| Some((name.strip_prefix(provider)?.strip_prefix('/')?, text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_provider_has_fixtures_and_all_of_them_are_json() {
        for provider in crate::PROVIDERS.iter().map(|provider| provider.name()) {
            assert!(of(provider).next().is_some(), "{provider}");
        }
        for (name, text) in all() {
            assert!(crate::lenient::json(text).is_ok(), "{name}");
        }
        assert_eq!(named("voltus/webhook_create.json"), Some(include_str!("voltus/fixtures/webhook_create.json")));
        assert_eq!(named("voltus/fixtures/webhook_create.json"), None);
    }
}
