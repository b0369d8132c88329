//! Tables without borders that fit the terminal: one line per row; if that is too wide, each row's first cell above the
//! others; if that is too wide as well, one cell per line. In a pipe, tables keep their full width.

use super::{
    is_seen,
    marks::cleaned,
    wrap::{width, wrapped},
};

/// Blanks between two columns.
const GAP: usize = 2;

/// Indentation of what is below a row's first cell.
const INDENT: usize = 2;

/// Smallest width of a column whose cells are wrapped.
const NARROWEST: usize = 24;

/// Longest cell shown, in characters: the first cell (the row's key, which people copy), a cell that may be wrapped,
/// any other cell.
const MAX_CELL: [usize; 3] = [4_200, 2_000, 400];

/// A table with these columns and any number of rows. Cells in the columns named in `giving` may be wrapped.
pub(crate) fn table(header: &[&str], giving: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    fitted(&Table::new(header, giving, rows), columns())
}

/// The terminal's width; none if there is no terminal.
fn columns() -> Option<usize> {
    let size = is_seen().then(terminal_size::terminal_size).flatten();
    size.map(|(width, _)| usize::from(width.0)).filter(|columns| *columns > 0)
}

struct Table<'h> {
    header: &'h [&'h str],
    /// By column: whether its cells may be wrapped.
    gives: Vec<bool>,
    rows: Vec<Vec<String>>,
    /// By column: its widest line, header included.
    widths: Vec<usize>,
}

impl<'h> Table<'h> {
    fn new(header: &'h [&'h str], giving: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Self {
        let gives: Vec<bool> = header.iter().map(|name| giving.contains(name)).collect();
        let most = |column: usize| match (column, gives.get(column)) {
            (0, _) => MAX_CELL[0],
            (_, Some(true)) => MAX_CELL[1],
            _ => MAX_CELL[2],
        };
        let clean = |row: Vec<String>| row.iter().enumerate().map(|(at, cell)| cleaned(cell, most(at))).collect();
        let rows: Vec<Vec<String>> = rows.into_iter().map(clean).collect();
        let widest = |column: usize| rows.iter().map(|row| width(&row[column])).max().unwrap_or(0);
        let widths = header.iter().enumerate().map(|(column, name)| widest(column).max(width(name))).collect();
        Self { header, gives, rows, widths }
    }

    /// The width of these columns side by side.
    fn side_by_side(&self, columns: &[usize]) -> usize {
        columns.iter().map(|column| self.widths[*column] + GAP).sum::<usize>().saturating_sub(GAP)
    }

    /// The columns for which the condition is true.
    fn columns(&self, is_so: impl Fn(usize) -> bool) -> Vec<usize> {
        (0..self.header.len()).filter(|column| is_so(*column)).collect()
    }

    /// Cells side by side, each padded to its column's width.
    fn line(cells: &[&str], columns: &[usize], widths: &[usize]) -> Vec<String> {
        let broken: Vec<Vec<String>> = columns.iter().map(|column| wrapped(cells[*column], widths[*column])).collect();
        let height = broken.iter().map(Vec::len).max().unwrap_or(0);
        let line = |number: usize| {
            let mut line = String::new();
            for (lines, column) in broken.iter().zip(columns) {
                let text = lines.get(number).map_or("", String::as_str);
                let blanks = widths[*column] + GAP - width(text).min(widths[*column] + GAP);
                line = line + text + &" ".repeat(blanks);
            }
            line.trim_end().to_owned()
        };
        (0..height).map(line).collect()
    }
}

fn fitted(table: &Table<'_>, columns: Option<usize>) -> String {
    let all = table.columns(|_| true);
    let Some(columns) = columns.filter(|columns| table.side_by_side(&all) > *columns) else {
        return in_rows(table, &table.widths);
    };
    let giving = table.columns(|column| table.gives[column]);
    let firm = table.side_by_side(&table.columns(|column| !table.gives[column]));
    let left = columns.saturating_sub(firm + GAP * giving.len());
    if let Some(share) = left.checked_div(giving.len()).filter(|share| *share >= NARROWEST) {
        return in_rows(table, &shared(table, &giving, left, share));
    }
    let below = table.columns(|column| column > 0 && !table.gives[column]);
    if table.side_by_side(&below) + INDENT <= columns {
        return stacked(table, &below, columns);
    }
    in_pairs(table, columns)
}

/// Column widths when the columns in `giving` share the rest; what one does not need goes to the others.
fn shared(table: &Table<'_>, giving: &[usize], left: usize, share: usize) -> Vec<usize> {
    let mut widths = table.widths.clone();
    let unused: usize = giving.iter().map(|column| share.saturating_sub(widths[*column])).sum();
    let wide = giving.iter().filter(|column| widths[**column] > share).count();
    let more = unused.checked_div(wide).unwrap_or(0);
    for column in giving {
        widths[*column] = widths[*column].min(share + more).min(left);
    }
    widths
}

fn in_rows(table: &Table<'_>, widths: &[usize]) -> String {
    let all = table.columns(|_| true);
    let mut lines = Table::line(table.header, &all, widths);
    for row in &table.rows {
        let cells: Vec<&str> = row.iter().map(String::as_str).collect();
        lines.extend(Table::line(&cells, &all, widths));
    }
    lines.join("\n")
}

/// A row's first cell on its own line, the unwrapped cells side by side below it, then each cell that may be wrapped.
fn stacked(table: &Table<'_>, below: &[usize], columns: usize) -> String {
    let inner = columns.saturating_sub(INDENT).max(1);
    let several = table.gives.iter().filter(|gives| **gives).count() > 1;
    let indented = |lines: Vec<String>| lines.into_iter().map(|line| format!("{}{line}", " ".repeat(INDENT)));
    let mut lines: Vec<String> = indented(Table::line(table.header, below, &table.widths)).collect();
    for row in &table.rows {
        let cells: Vec<&str> = row.iter().map(String::as_str).collect();
        lines.extend(wrapped(cells[0], columns));
        lines.extend(indented(Table::line(&cells, below, &table.widths)));
        for column in table.columns(|column| column > 0 && table.gives[column] && width(cells[column]) > 0) {
            let named =
                if several { format!("{}: {}", table.header[column], cells[column]) } else { row[column].clone() };
            lines.extend(indented(wrapped(&named, inner)));
        }
    }
    lines.retain(|line| !line.trim().is_empty());
    lines.join("\n")
}

/// One cell per line, after its column's name; a cell without a name is appended to the cell before it.
fn in_pairs(table: &Table<'_>, columns: usize) -> String {
    let names = table.header.iter().skip(1).map(|name| width(name)).max().unwrap_or(0);
    let inner = columns.saturating_sub(INDENT + names + GAP).max(1);
    let mut lines = Vec::new();
    for row in &table.rows {
        let first = row.first().map_or("", String::as_str);
        lines.extend(wrapped(first, columns));
        for (name, cell) in table.header.iter().zip(row).skip(1).filter(|(_, cell)| width(cell) > 0) {
            for (number, text) in wrapped(cell, inner).into_iter().enumerate() {
                let name = if number == 0 { *name } else { "" };
                let blanks = names + GAP - width(name);
                lines.push(format!("{}{name}{}{text}", " ".repeat(INDENT), " ".repeat(blanks)));
            }
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Paint, marks::rendered},
        *,
    };

    fn shown(columns: usize) -> String {
        let row = |cells: [&str; 5]| cells.map(str::to_owned).to_vec();
        let rows = [
            row(["voltus-demo/k0sn82547", "04:11", "2 min ago", &Paint::all().bad("running"), ""]),
            row(["leap-demo/d23827cf-0650", "04:13", "", "over", "its controller answered that it cannot act"]),
        ];
        let table = Table::new(&["dispatch", "starts", "", "phase", "risk"], &["risk"], rows);
        let text = rendered(&fitted(&table, Some(columns)));
        let plain = text.replace("\u{1b}[31m", "").replace("\u{1b}[0m", "");
        assert!(plain.lines().all(|line| width(line) <= columns), "{text}");
        text.replace('\u{1b}', "^")
    }

    #[test]
    fn as_wide_as_the_terminal_is() {
        let all = [100, 80, 50, 24].map(|columns| format!("{columns}:\n{}", shown(columns)));
        insta::assert_snapshot!(all.join("\n\n"));
    }
}
