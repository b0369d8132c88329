//! Tables without lines: as wide as the terminal, and in a pipe as wide as they are.

use std::io::IsTerminal;

use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};

/// A table of those columns; the ones that are named in `giving` are broken where the terminal is too narrow.
pub(crate) fn table(header: &[&str], giving: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    let columns = if std::io::stdout().is_terminal() { table.width() } else { None };
    table.load_style(presets::NOTHING).set_header(header.iter().copied());
    for row in rows {
        table.add_row(row);
    }
    if let Some(columns) = columns {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns);
        for (column, name) in table.column_iter_mut().zip(header) {
            if !giving.contains(name) {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
    }
    trimmed(&table.to_string())
}

/// Without the blanks that fill the last column.
fn trimmed(text: &str) -> String {
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}
