//! The HTML of a mail: a table and nothing that a reader would have to fetch. No colour is set against another, so that it reads
//! in the dark as well.

use std::fmt::Write as _;

use super::words::{Row, Shown};
use crate::alerts::occasion::Occasion;

/// Mid-tones, which stand out from white and from black.
const RED: &str = "#d64545";
const GREEN: &str = "#3a9a5b";
const GREY: &str = "#808890";

pub(super) fn page(subject: &str, test: bool, occasion: Occasion, rows: &[Row], link: Option<&str>) -> String {
    let colour = match (test, occasion) {
        (true, _) => GREY,
        (false, Occasion::Resolved) => GREEN,
        (false, _) => RED,
    };
    let title = subject.strip_prefix("[gridbell] ").unwrap_or(subject);
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"color-scheme\" content=\"light dark\">\
         <meta name=\"supported-color-schemes\" content=\"light dark\"><title>{}</title></head>\n\
         <body style=\"font-family:system-ui,-apple-system,'Segoe UI',Roboto,Arial,sans-serif;font-size:15px;line-height:1.45;\
         margin:0;padding:16px\">\n\
         <div style=\"max-width:640px;border-left:6px solid {colour};padding-left:14px\">\n\
         <h1 style=\"font-size:19px;margin:0 0 12px;overflow-wrap:anywhere\">{}</h1>\n\
         <table role=\"presentation\" cellpadding=\"0\" cellspacing=\"0\" style=\"border-collapse:collapse;width:100%\">\n",
        escape(subject),
        escape(title)
    );
    for row in rows {
        cell(&mut html, row, link);
    }
    html.push_str("</table>\n</div>\n</body></html>\n");
    html
}

fn cell(html: &mut String, row: &Row, link: Option<&str>) {
    let lines: Vec<String> = row.lines.iter().map(|line| shown_as(line, row.shown, link)).collect();
    let _ = writeln!(
        html,
        "<tr valign=\"top\" style=\"border-top:1px solid #80889055\"><th align=\"left\" scope=\"row\" style=\"padding:6px 14px 6px 0;\
         white-space:nowrap\">{}</th><td style=\"padding:6px 0;overflow-wrap:anywhere\">{}</td></tr>",
        row.label,
        lines.join(if row.shown == Shown::Items { "" } else { "<br>" })
    );
}

fn shown_as(text: &str, shown: Shown, link: Option<&str>) -> String {
    match (shown, link) {
        (Shown::Verbatim, Some(address)) if address == text => format!(
            "<a href=\"{}\" style=\"display:inline-block;border:2px solid {RED};border-radius:6px;padding:6px 14px;\
             font-weight:600;color:{RED};text-decoration:none\">I take this on</a>",
            attribute(text)
        ),
        (Shown::Verbatim, _) => {
            format!("<code style=\"font-family:ui-monospace,Menlo,Consolas,monospace\">{}</code>", escape(text))
        }
        (Shown::Items, _) => format!("<div style=\"padding-bottom:8px\">{}</div>", escape(text)),
        (Shown::Lines, _) => escape(text),
    }
}

/// A slash stays a slash, so that a key can be searched for in the source of a mail.
pub(crate) fn escape(text: &str) -> String {
    html_escape::encode_text(text).into_owned()
}

fn attribute(text: &str) -> String {
    html_escape::encode_double_quoted_attribute(text).into_owned()
}
