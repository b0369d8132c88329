//! Splits a long list into pages. It splits the text between elements as it arrives, so the whole list is never one
//! JSON tree.

/// A page is full at this many bytes …
const PAGE_BYTES: usize = 64 * 1_024;

/// … or this many elements.
const PAGE_ELEMENTS: usize = 100;

/// A list of that name at a deeper level belongs to something else.
const MAX_LEVEL: usize = 2;

/// The text of a list as it arrives. The first page is the text without the elements of the other pages, so a short
/// list is one page, identical byte for byte. Each other page is an object with only its share of the list.
#[derive(Debug, Clone)]
pub struct Elements {
    name: &'static str,
    first: Vec<u8>,
    pages: Vec<Vec<u8>>,
    /// The position of the next byte in the text.
    place: Place,
    /// The number of complete elements in the current page.
    whole: usize,
    bytes: usize,
}

/// The position relative to the list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum List {
    #[default]
    Ahead,
    /// Inside the list, which has this level.
    Around(usize),
    Behind,
}

#[derive(Debug, Clone, Default)]
struct Place {
    level: usize,
    list: List,
    in_text: bool,
    is_escaped: bool,
    /// The latest string; `is_name`: a colon follows it.
    text: Vec<u8>,
    is_name: bool,
}

impl Elements {
    /// The list of that name, or the bare list if the whole text is a list.
    pub fn of(name: &'static str) -> Self {
        Self { name, first: Vec::new(), pages: Vec::new(), place: Place::default(), whole: 0, bytes: 0 }
    }

    /// Adds the next bytes of the text.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        for byte in bytes {
            let inside = self.place.list == List::Around(self.place.level) && !self.place.in_text;
            if inside && *byte == b',' {
                self.whole += 1;
                if self.whole >= PAGE_ELEMENTS || self.filling().len() >= PAGE_BYTES {
                    self.pages.push(Vec::new());
                    self.whole = 0;
                    continue;
                }
            }
            let ends = inside && *byte == b']';
            if ends { &mut self.first } else { self.filling() }.push(*byte);
            self.place.step(*byte, self.name);
        }
    }

    /// The number of bytes that arrived.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The pages, in order.
    pub fn into_pages(self) -> impl Iterator<Item = Vec<u8>> {
        let name = self.name;
        let others = self.pages.into_iter().filter(|page| !page.trim_ascii().is_empty());
        let others = others.map(move |page| [format!("{{\"{name}\":[").as_bytes(), &page, b"]}"].concat());
        std::iter::once(self.first).chain(others)
    }

    fn filling(&mut self) -> &mut Vec<u8> {
        let inside = matches!(self.place.list, List::Around(_));
        match self.pages.last_mut() {
            Some(page) if inside => page,
            _ => &mut self.first,
        }
    }
}

impl Place {
    fn step(&mut self, byte: u8, name: &str) {
        if self.in_text {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => return self.in_text = false,
                _ => {}
            }
            // One byte more than the name is enough to see that the string differs.
            if self.text.len() <= name.len() {
                self.text.push(byte);
            }
            return;
        }
        match byte {
            b'"' => {
                self.in_text = true;
                self.text.clear();
            }
            b'[' | b'{' => {
                let is_bare = self.level == 0 && byte == b'[';
                let is_named = byte == b'[' && self.is_name && self.level <= MAX_LEVEL && self.text == name.as_bytes();
                self.level += 1;
                if self.list == List::Ahead && (is_bare || is_named) {
                    self.list = List::Around(self.level);
                }
            }
            b']' | b'}' => {
                if self.list == List::Around(self.level) {
                    self.list = List::Behind;
                }
                self.level = self.level.saturating_sub(1);
            }
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            self.is_name = byte == b':';
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pages(text: &str, at_once: usize) -> Vec<String> {
        let mut elements = Elements::of("dispatches");
        text.as_bytes().chunks(at_once).for_each(|chunk| elements.feed(chunk));
        assert_eq!(elements.bytes(), text.len());
        elements.into_pages().map(|page| String::from_utf8(page).unwrap()).collect()
    }

    fn listed(page: &str) -> Vec<Value> {
        let page: Value = serde_json::from_str(page).unwrap_or_else(|error| panic!("{error}: {page}"));
        page.get("dispatches").unwrap_or(&page).as_array().cloned().unwrap_or_default()
    }

    #[test]
    fn a_short_list_and_what_is_none_are_one_page_as_they_came() {
        for text in [
            r#"{"dispatches":[{"id":"a","x":[1,2]},{"id":"b"}],"page":0}"#,
            "[1,2,3]",
            "",
            "<html>",
            r#"{"error":"dispatches: [1,2]"}"#,
            r#"{"dispatches":[1,"#,
            r#"{"dispatches":[}],]"#,
        ] {
            for at_once in [1, 7, 1_000] {
                assert_eq!(pages(text, at_once), [text]);
            }
        }
    }

    #[test]
    fn a_list_of_any_length_comes_in_pages_that_hold_each_element_once() {
        let element = |n: usize| json!({"id": format!("d{n}"), "odd": "],{\"[\\", "sites": [[n], {"dispatches": [n]}]});
        let all: Vec<Value> = (0..1_050).map(element).collect();
        for text in [
            json!({"before": [1, 2], "dispatches": all, "page": 0}).to_string(),
            json!({"data": {"dispatches": all}})
                .to_string()
                .replace("\"data\":", "\"data\" :\n ")
                .replace("},{", "} ,\n{"),
            json!(all).to_string(),
        ] {
            let pages = pages(&text, 1_000);
            assert_eq!(pages.len(), 11);
            assert!(pages.iter().all(|page| page.len() < 2 * PAGE_BYTES));
            let first: Value = serde_json::from_str(&pages[0]).unwrap();
            let first = first.get("data").unwrap_or(&first).to_string();
            let again: Vec<Value> =
                listed(&first).into_iter().chain(pages[1..].iter().flat_map(|page| listed(page))).collect();
            assert_eq!(again, all);
        }
    }

    #[test]
    fn what_follows_the_list_and_where_it_breaks_off_stand_in_the_first_page() {
        let items = vec!["{\"id\":1}"; 250].join(",");
        let whole = pages(&format!("{{\"dispatches\":[{items}],\"next\":\"x\"}}"), 64);
        assert!(whole[0].ends_with("],\"next\":\"x\"}"), "{}", whole[0]);
        let broken = pages(&format!("{{\"dispatches\":[{items},{{\"id\""), 64);
        assert!(serde_json::from_str::<Value>(&broken[0]).is_err(), "a list that broke off is none");
    }

    #[test]
    fn large_elements_fill_a_page_before_there_are_many() {
        let items = vec![format!("\"{}\"", "x".repeat(30_000)); 9].join(",");
        assert_eq!(pages(&format!("[{items}]"), 4_096).len(), 3);
    }
}
