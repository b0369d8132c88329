//! The HTML of a mail and of the page behind its link: it loads nothing, and is readable on a phone, in light and dark
//! mode.

use std::fmt::Write as _;

use super::content::{Body, Link, Row, Section, Step};

/// Mid-tones, visible on white and on black.
const RED: &str = "#d64545";
const GREEN: &str = "#3a9a5b";
const GREY: &str = "#808890";

/// One style sheet for mails and pages. A mail reader that drops it shows the same content in its own colours.
const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:16px/1.45 system-ui,-apple-system,'Segoe UI',Roboto,Arial,sans-serif;margin:0;padding:16px;background:#fff;color:#1b1f23}\
main{max-width:640px;margin:0 auto;padding-left:14px}\
h1{font-size:20px;line-height:1.3;margin:0 0 4px;overflow-wrap:anywhere}\
h2{font-size:15px;margin:22px 0 6px;padding-top:10px;border-top:1px solid #80889055}\
p,li,td,dd{overflow-wrap:anywhere}p{margin:0 0 6px}ol,ul{margin:0;padding-left:22px}li{margin-bottom:10px}\
table{border-collapse:collapse;width:100%}th{text-align:left;vertical-align:top;padding:4px 14px 4px 0;font-weight:600}\
td{vertical-align:top;padding:4px 0}\
code{font:14px/1.4 ui-monospace,Menlo,Consolas,monospace;overflow-wrap:anywhere}\
a{color:#0b62c4}.big{font-size:17px;font-weight:600}.dim{color:#5c6670}\
.button{display:inline-block;font:inherit;font-weight:600;padding:12px 18px;margin:6px 0;border:2px solid #c43434;\
border-radius:8px;background:#c43434;color:#fff;text-decoration:none}\
@media (prefers-color-scheme:dark){body{background:#121518;color:#e8eaed}a{color:#7fb4ff}.dim{color:#a3acb5}.button{color:#fff}}";

/// The style of a button, for mail readers that drop the style sheet.
const BUTTON: &str = "display:inline-block;font-weight:600;padding:12px 18px;margin:6px 0;border:2px solid #c43434;border-radius:8px;\
background:#c43434;color:#fff;text-decoration:none";

/// The colour of the edge of a mail or page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Bad,
    /// It is resolved.
    Good,
    /// A test: no action is needed.
    Test,
}

/// A mail or a page. `head` and `body` are HTML already.
pub(crate) fn page(title: &str, heading: &str, mood: Mood, head: &str, body: &str) -> String {
    let colour = match mood {
        Mood::Bad => RED,
        Mood::Good => GREEN,
        Mood::Test => GREY,
    };
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><meta name=\"color-scheme\" content=\"light dark\">\
         <meta name=\"supported-color-schemes\" content=\"light dark\">{head}<style>{STYLE}</style></head>\n\
         <body><main style=\"border-left:6px solid {colour}\">\n<h1>{}</h1>\n{body}</main></body></html>\n",
        escape(title),
        escape(heading)
    )
}

pub(crate) fn sections(sections: &[Section]) -> String {
    let mut html = String::new();
    for section in sections {
        let _ = writeln!(html, "<h2>{}</h2>", section.title);
        match &section.body {
            Body::Lines(lines) => lines.iter().for_each(|line| paragraph(&mut html, line)),
            Body::Items(items) => list(&mut html, "ul", items.iter().map(|item| escape(item))),
            Body::Steps(steps) => list(&mut html, "ol", steps.iter().map(step)),
            Body::Rows(rows) => table(&mut html, rows),
        }
    }
    html
}

fn paragraph(html: &mut String, line: &str) {
    let _ = writeln!(html, "<p>{}</p>", escape(line));
}

fn list(html: &mut String, tag: &str, items: impl Iterator<Item = String>) {
    let _ = writeln!(html, "<{tag}>");
    for item in items {
        let _ = writeln!(html, "<li>{item}</li>");
    }
    let _ = writeln!(html, "</{tag}>");
}

fn table(html: &mut String, rows: &[Row]) {
    let _ = writeln!(html, "<table role=\"presentation\">");
    for row in rows {
        let shown = |line: &String| if row.verbatim { code(line) } else { escape(line) };
        let lines: Vec<String> = row.lines.iter().map(shown).collect();
        let _ = writeln!(html, "<tr><th scope=\"row\">{}</th><td>{}</td></tr>", row.label, lines.join("<br>"));
    }
    let _ = writeln!(html, "</table>");
}

fn step(step: &Step) -> String {
    let mut html = escape(&step.text);
    for note in &step.notes {
        let _ = write!(html, "<br>{}", linked(note));
    }
    if let Some(command) = &step.command {
        let _ = write!(html, "<br>{}", code(command));
    }
    if let Some(Link { label, address, is_button }) = &step.link {
        let style = if *is_button { format!(" style=\"{BUTTON}\"") } else { String::new() };
        let _ = write!(html, "<br><a href=\"{}\"{style}>{label}</a>", attribute(address));
    }
    html
}

/// A note with links for its telephone number or address.
fn linked(note: &str) -> String {
    let Some((before, last)) = note.rsplit_once(": ") else { return escape(note) };
    let is_number = last.starts_with('+') && last.chars().all(|c| c.is_ascii_digit() || "+ ()-./".contains(c));
    let address = if is_number {
        format!("tel:{}", last.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect::<String>())
    } else if last.starts_with("https://") || last.starts_with("http://") {
        last.to_owned()
    } else {
        return escape(note);
    };
    format!("{}: <a href=\"{}\">{}</a>", escape(before), attribute(&address), escape(last))
}

fn code(text: &str) -> String {
    format!("<code>{}</code>", escape(text))
}

/// Slashes are not escaped, so that a key can be found in the source of a mail.
pub(crate) fn escape(text: &str) -> String {
    html_escape::encode_text(text).into_owned()
}

fn attribute(text: &str) -> String {
    html_escape::encode_double_quoted_attribute(text).into_owned()
}
