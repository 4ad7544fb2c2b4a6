//! The figures of a run, shown at its end.

use std::sync::Mutex;

static TABLES: Mutex<Vec<Table>> = Mutex::new(Vec::new());

/// One table: what it is about, its columns, its rows.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) title: String,
    pub(crate) columns: Vec<&'static str>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// Adds rows to the table of that title.
pub(crate) fn add(
    title: &str,
    columns: &[&'static str],
    rows: impl IntoIterator<Item = Vec<String>>,
) {
    let mut tables = TABLES.lock().unwrap();
    if !tables.iter().any(|table| table.title == title) {
        tables.push(Table {
            title: title.to_owned(),
            columns: columns.to_vec(),
            rows: Vec::new(),
        });
    }
    let table = tables
        .iter_mut()
        .find(|table| table.title == title)
        .unwrap();
    table.rows.extend(rows);
}

/// Has these rows and no others in the table of that title.
pub(crate) fn put(
    title: &str,
    columns: &[&'static str],
    rows: impl IntoIterator<Item = Vec<String>>,
) {
    for table in TABLES.lock().unwrap().iter_mut() {
        if table.title == title {
            table.rows.clear();
        }
    }
    add(title, columns, rows);
}

/// Prints every table, as Markdown.
pub(crate) fn show() {
    for table in TABLES.lock().unwrap().iter() {
        println!("\n{}\n", table.title);
        let heads: Vec<String> = table.columns.iter().map(|&head| head.to_owned()).collect();
        let width = |column: usize| {
            let cells = table.rows.iter().chain([&heads]);
            cells
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..heads.len()).map(width).collect();
        let line = |row: &[String]| {
            let cells = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!(" {cell:width$} "));
            println!("|{}|", cells.collect::<Vec<_>>().join("|"));
        };
        line(&heads);
        let rule: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
        line(&rule);
        table.rows.iter().for_each(|row| line(row));
    }
    println!();
}
