//! Tables without lines that fit the terminal: in rows; where that is too wide, each row's first cell above the others; where that
//! is too wide as well, one cell a line. In a pipe they are as wide as they are.

use super::{
    is_seen,
    marks::cleaned,
    wrap::{width, wrapped},
};

/// Blanks between two columns.
const GAP: usize = 2;

/// What is below a row's first cell stands this far in.
const INDENT: usize = 2;

/// A column that is broken is not made narrower than this.
const NARROWEST: usize = 24;

/// How much of a cell is shown, in characters: of the first, which is what a row is about and is copied from here, of one that may
/// be broken, and of any other.
const MAX_CELL: [usize; 3] = [4_200, 2_000, 400];

/// A table of those columns, which has any rows. The ones that are named in `giving` may be broken.
pub(crate) fn table(header: &[&str], giving: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    fitted(&Table::new(header, giving, rows), columns())
}

/// The terminal's width; none where there is none.
fn columns() -> Option<usize> {
    let size = is_seen().then(terminal_size::terminal_size).flatten();
    size.map(|(width, _)| usize::from(width.0)).filter(|columns| *columns > 0)
}

struct Table<'h> {
    header: &'h [&'h str],
    /// By column: whether it may be broken.
    gives: Vec<bool>,
    rows: Vec<Vec<String>>,
    /// By column: its widest line, its header included.
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

    /// The columns for which that is so.
    fn columns(&self, is_so: impl Fn(usize) -> bool) -> Vec<usize> {
        (0..self.header.len()).filter(|column| is_so(*column)).collect()
    }

    /// One cell side by side with the next: each as wide as its column is to be.
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

/// The widths where the giving columns share what is left; what one does not need goes to the others.
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

/// The first cell of a row on a line of its own, the firm ones side by side below it, then each that may be broken.
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

/// One cell a line, behind its column's name; one without a name belongs to the one before it.
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
