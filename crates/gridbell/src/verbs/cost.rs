//! `cost`: estimates the bill.

use anyhow::Result;
use cost::{AS_OF, Brings, PRICES, REGION, Usage};
use serde_json::json;

use crate::show;

const EXAMPLES: &str = "\
Examples:
  gridbell cost --per-month 100000
  gridbell cost --per-month 20000 --brings update --incidents 30 --json
  gridbell cost --per-month 100000 --outputs 2          where the courier delivers to two HTTP outputs";

/// Arguments of `cost`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Cost {
    /// Webhooks in a month
    #[arg(long, value_name = "N")]
    per_month: u32,
    /// What each webhook leads to
    #[arg(long, value_enum, default_value_t = Brings::New)]
    brings: Brings,
    /// Incidents in a month, one mail each
    #[arg(long, value_name = "N", default_value_t = 0)]
    incidents: u32,
    /// HTTP outputs that get each signal; each webhook is taken to bring one
    #[arg(long, value_name = "N", default_value_t = 0)]
    outputs: u8,
    /// Print JSON: all lines, in dollars
    #[arg(long)]
    json: bool,
}

/// A column: its title, and its usage.
type Column = (String, Usage);

/// Prints the costs, and the largest of them.
pub(crate) fn run(args: &Cost) -> Result<()> {
    let idle = cost::idle_month();
    let (alone, in_tens) = (cost::webhook(args.brings, false), cost::webhook(args.brings, true));
    let to_output = cost::output(false);
    let courier = match args.outputs {
        0 => Usage::default(),
        outputs => cost::idle_month_of_courier() + to_output * f64::from(outputs) * f64::from(args.per_month),
    };
    let month = idle + alone * f64::from(args.per_month) + cost::incident() * f64::from(args.incidents) + courier;
    let columns: [Column; 5] = [
        ("idle month".to_owned(), idle),
        ("million, alone".to_owned(), alone * 1e6),
        ("million, in tens".to_owned(), in_tens * 1e6),
        ("million to an output".to_owned(), to_output * 1e6),
        (format!("{} a month", args.per_month), month),
    ];
    if args.json {
        return show::json(&object(&columns));
    }
    show::line(&format!(
        "Dollars, list prices of {REGION}, {AS_OF}; a webhook brings: {}\n",
        show::word(&args.brings)
    ))?;
    let header: Vec<&str> = std::iter::once("").chain(columns.iter().map(|(name, _)| name.as_str())).collect();
    show::screen(&show::table(&header, &[], rows(&columns)))?;
    for (name, usage) in &columns {
        show::line(&format!("Most of {name}: {}", most(*usage)))?;
    }
    show::line(
        "A Function URL in place of the HTTP API is possible where the configuration has only sources with a token in the path or \
         header. Not in it: the alarms (0.10 each a month), storage, data transfer.",
    )
}

fn rows(columns: &[Column]) -> Vec<Vec<String>> {
    let row = |name: &str, of: &dyn Fn(Usage) -> f64| {
        std::iter::once(name.to_owned()).chain(columns.iter().map(|(_, usage)| format!("{:.2}", of(*usage)))).collect()
    };
    let lines = PRICES.iter().enumerate().map(|(place, price)| row(price.name, &|usage| usage.dollars()[place]));
    lines
        .chain([
            row("total with the HTTP API", &total),
            row("total with a Function URL", &|usage| total(usage.without_api())),
            row("… less the free tier", &|usage| usage.without_api().dollars_beyond_free()),
        ])
        .collect()
}

fn object(columns: &[Column]) -> serde_json::Value {
    let column = |usage: Usage| {
        let lines: serde_json::Map<_, _> = PRICES
            .iter()
            .zip(usage.dollars())
            .map(|(price, dollars)| (show::word(&price.line), json!(dollars)))
            .collect();
        json!({
            "lines": lines,
            "with_http_api": total(usage),
            "with_function_url": total(usage.without_api()),
            "with_http_api_beyond_free_tier": usage.dollars_beyond_free(),
        })
    };
    let [idle, alone, in_tens, to_output, month] =
        [0, 1, 2, 3, 4].map(|index| columns.get(index).map(|(_, usage)| column(*usage)));
    json!({
        "prices": {"as_of": AS_OF, "region": REGION},
        "idle_month": idle,
        "million_alone": alone,
        "million_in_tens": in_tens,
        "million_to_an_output": to_output,
        "month": month,
    })
}

fn total(usage: Usage) -> f64 {
    usage.dollars().iter().sum()
}

/// The two most expensive lines, each with its share.
fn most(usage: Usage) -> String {
    let mut lines: Vec<(&str, f64)> =
        PRICES.iter().zip(usage.dollars()).map(|(price, dollars)| (price.name, dollars)).collect();
    lines.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    let share = |dollars: f64| 100.0 * dollars / total(usage);
    lines
        .iter()
        .take(2)
        .map(|(name, dollars)| format!("{name} {:.0} %", share(*dollars)))
        .collect::<Vec<_>>()
        .join(", ")
}
