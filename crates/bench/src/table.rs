//! Aligned Markdown tables, readable on a terminal and in BENCHMARKS.md.

use std::fmt;

/// A table. The first column is a name; columns of numbers are right-aligned.
#[derive(Debug)]
pub(crate) struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<const COLUMNS: usize>(header: [&str; COLUMNS]) -> Self {
        Self { header: header.map(str::to_owned).to_vec(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = || std::iter::once(&self.header).chain(&self.rows);
        let widths: Vec<usize> = (0..self.header.len())
            .map(|column| {
                lines().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        let is_number = |column: usize| {
            if column == 0 {
                return false;
            }
            let mut cells = self.rows.iter().filter_map(|row| row.get(column)).peekable();
            cells.peek().is_some() && cells.all(|cell| cell.starts_with(|c: char| c.is_ascii_digit()) || cell == "–")
        };
        let numbers: Vec<bool> = (0..self.header.len()).map(is_number).collect();
        let line = |f: &mut fmt::Formatter<'_>, cells: &[String]| {
            for ((cell, width), number) in cells.iter().zip(&widths).zip(&numbers) {
                if *number { write!(f, "| {cell:>width$} ")? } else { write!(f, "| {cell:<width$} ")? }
            }
            writeln!(f, "|")
        };
        line(f, &self.header)?;
        for (width, number) in widths.iter().zip(&numbers) {
            let dashes = "-".repeat(width + 1);
            if *number { write!(f, "|{dashes}:")? } else { write!(f, "|{dashes}-")? }
        }
        writeln!(f, "|")?;
        self.rows.iter().try_for_each(|row| line(f, row))
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn numbers_stand_at_the_right() {
        let mut table = Table::new(["who", "ms"]);
        table.row(["hello".to_owned(), "1.5".to_owned()]);
        table.row(["us".to_owned(), "12.5 (8.3×)".to_owned()]);
        assert_eq!(
            table.to_string(),
            "| who   |          ms |\n|-------|------------:|\n| hello |         1.5 |\n| us    | 12.5 (8.3×) |\n"
        );
    }
}
