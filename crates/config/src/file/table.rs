//! A table of the file with its position: typed getters whose errors contain file, line, column and the key's name.

use std::ops::{Range, RangeInclusive};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{FileError, Place, Problem, error::Mistakes};

/// The whole text, to convert offsets into positions.
#[derive(Clone, Copy)]
pub(super) struct Document<'d> {
    pub(super) file: &'d str,
    pub(super) text: &'d str,
}

impl Document<'_> {
    pub(super) fn place(&self, offset: usize) -> Place {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Place {
            file: self.file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
        }
    }

    pub(super) fn problem(&self, offset: usize, key: impl Into<String>, text: impl Into<String>) -> FileError {
        Problem { place: self.place(offset), key: key.into(), text: text.into() }.into()
    }
}

/// A value and its position.
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) offset: usize,
    pub(super) key: String,
}

/// The elements of a list of strings.
pub(super) type Strings<'d> = Vec<Result<At<&'d str>, FileError>>;

/// One table: its entries, its full name, its start.
#[derive(Clone)]
pub(super) struct Table<'d> {
    pub(super) document: Document<'d>,
    entries: &'d DeTable<'d>,
    pub(super) name: String,
    pub(super) span: Range<usize>,
}

/// A table in a table.
pub(super) struct Entry<'d> {
    /// Its key.
    pub(super) name: &'d str,
    /// The start of the key.
    pub(super) offset: usize,
    pub(super) table: Table<'d>,
}

impl<'d> Table<'d> {
    pub(super) fn root(document: Document<'d>, entries: &'d DeTable<'d>) -> Self {
        Self { document, entries, name: String::new(), span: 0..0 }
    }

    fn full(&self, key: &str) -> String {
        // A key is text from the file: it must not contain terminal control characters or be very long.
        let key: String = key.chars().take(80).flat_map(char::escape_debug).collect();
        if self.name.is_empty() { key } else { format!("{}.{key}", self.name) }
    }

    /// An error about the table itself.
    pub(super) fn problem(&self, text: impl Into<String>) -> FileError {
        self.document.problem(self.span.start, self.name.clone(), text)
    }

    /// Rejects all other keys.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), FileError> {
        let mut mistakes = Mistakes::default();
        for key in self.entries.keys().filter(|key| !known.contains(&key.get_ref().as_ref())) {
            let text = format!("unknown key; known here: {}", known.join(", "));
            mistakes.keep::<()>(Err(self.document.problem(key.span().start, self.full(key.get_ref()), text)));
        }
        mistakes.or(Some(()))
    }

    fn wrong(&self, key: &str, value: &Spanned<DeValue<'_>>, wanted: &str) -> FileError {
        self.document.problem(
            value.span().start,
            self.full(key),
            format!("{} where {wanted} belongs", kind(value.get_ref())),
        )
    }

    pub(super) fn string(&self, key: &str, wanted: &str) -> Result<Option<At<&'d str>>, FileError> {
        let Some(value) = self.entries.get(key) else { return Ok(None) };
        let text = value.get_ref().as_str().ok_or_else(|| self.wrong(key, value, wanted))?;
        Ok(Some(At { value: text, offset: value.span().start, key: self.full(key) }))
    }

    pub(super) fn boolean(&self, key: &str) -> Result<Option<bool>, FileError> {
        let Some(value) = self.entries.get(key) else { return Ok(None) };
        value.get_ref().as_bool().map(Some).ok_or_else(|| self.wrong(key, value, "true or false"))
    }

    /// A whole number within limits.
    pub(super) fn count(&self, key: &str, bounds: RangeInclusive<u32>) -> Result<Option<u32>, FileError> {
        let Some(value) = self.entries.get(key) else { return Ok(None) };
        let number = value.get_ref().as_integer();
        let count = number.and_then(|number| u32::from_str_radix(number.as_str(), number.radix()).ok());
        let wanted = format!("a whole number from {} to {}", bounds.start(), bounds.end());
        count.filter(|count| bounds.contains(count)).map(Some).ok_or_else(|| self.wrong(key, value, &wanted))
    }

    /// A string or a list of strings. Each element is read by itself.
    pub(super) fn strings(&self, key: &str, wanted: &str) -> Result<Option<Strings<'d>>, FileError> {
        let Some(value) = self.entries.get(key) else { return Ok(None) };
        let Some(list) = value.get_ref().as_array() else {
            return Ok(self.string(key, wanted)?.map(|one| vec![Ok(one)]));
        };
        let texts = list.iter().map(|item| {
            let text = item.get_ref().as_str().ok_or_else(|| self.wrong(key, item, wanted))?;
            Ok(At { value: text, offset: item.span().start, key: self.full(key) })
        });
        Ok(Some(texts.collect()))
    }

    pub(super) fn table(&self, key: &str) -> Result<Option<Self>, FileError> {
        let Some(value) = self.entries.get(key) else { return Ok(None) };
        let entries = value.get_ref().as_table().ok_or_else(|| self.wrong(key, value, "a table"))?;
        Ok(Some(Self { document: self.document, entries, name: self.full(key), span: value.span() }))
    }

    /// Whether the key is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.get(key).is_some()
    }

    /// Whether the key's value is a table.
    pub(super) fn is_table(&self, key: &str) -> bool {
        self.entries.get(key).is_some_and(|value| value.get_ref().as_table().is_some())
    }

    /// A list of tables, written inline or as `[[…]]`.
    pub(super) fn table_list(&self, key: &str, wanted: &str) -> Result<Option<Vec<Self>>, FileError> {
        let Some(value) = self.entries.get(key) else { return Ok(None) };
        let list = value.get_ref().as_array().ok_or_else(|| self.wrong(key, value, wanted))?;
        let mut mistakes = Mistakes::default();
        let tables = list.iter().filter_map(|item| {
            let entries = mistakes.keep(item.get_ref().as_table().ok_or_else(|| self.wrong(key, item, wanted)))?;
            Some(Self { document: self.document, entries, name: self.full(key), span: item.span() })
        });
        let tables = tables.collect();
        mistakes.or(Some(Some(tables)))
    }

    /// Every entry that is a table, with its key and the key's offset.
    pub(super) fn tables(&self, mistakes: &mut Mistakes) -> Vec<Entry<'d>> {
        let entries = self.entries.iter().filter_map(|(key, _)| {
            let name: &'d str = key.get_ref().as_ref();
            let table = mistakes.some(self.table(name))?;
            Some(Entry { name, offset: key.span().start, table })
        });
        entries.collect()
    }

    /// Whether it has no entry.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The start of a key's value, or of the table if the key is missing.
    pub(super) fn offset_of(&self, key: &str) -> usize {
        self.entries.get(key).map_or(self.span.start, |value| value.span().start)
    }
}

impl<T> At<T> {
    /// Parses the value; the parser's error becomes the problem's text.
    pub(super) fn parse<V>(
        self,
        document: Document<'_>,
        parser: impl FnOnce(T) -> Result<V, String>,
    ) -> Result<V, FileError> {
        parser(self.value).map_err(|text| document.problem(self.offset, self.key, text))
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
