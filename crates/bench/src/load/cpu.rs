//! CPU time of the emulator and of each function, from /proc. A function that has ended is not included.

use std::collections::BTreeMap;

use crate::table::Table;

/// Clock ticks per second in /proc: 100 on practically every Linux that Rust supports.
const TICKS: f64 = 100.0;

/// CPU time so far in seconds, by function.
pub(super) type Seconds = BTreeMap<String, f64>;

/// The CPU time of all processes in a group.
pub(super) fn seconds(group: u32) -> Seconds {
    let mut seconds = Seconds::new();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    for process in processes {
        let read = |file: &str| {
            std::fs::read(process.path().join(file)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        };
        let (Ok(stat), Ok(environment)) = (read("stat"), read("environ")) else { continue };
        let Some((its_group, ticks)) = parse(&stat) else { continue };
        if its_group == group {
            let name = environment.split('\0').find_map(|line| line.strip_prefix("AWS_LAMBDA_FUNCTION_NAME="));
            *seconds.entry(name.unwrap_or("the emulator").to_owned()).or_default() += ticks / TICKS;
        }
    }
    seconds
}

/// The CPU time used between two readings.
pub(super) fn table(before: &Seconds, after: &Seconds, webhooks: usize) -> Table {
    let mut table = Table::new(["process", "CPU, s", "per webhook, ms"]);
    for (name, seconds) in after {
        let used = seconds - before.get(name).copied().unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "values of some thousands")]
        let each_ms = used * 1_000.0 / webhooks.max(1) as f64;
        table.row([name.clone(), format!("{used:.2}"), format!("{each_ms:.2}")]);
    }
    table
}

/// Reads the process group, and user plus system time in ticks. The name in parentheses may contain anything.
fn parse(stat: &str) -> Option<(u32, f64)> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(2);
    let group = fields.next()?.parse().ok()?;
    let mut times = fields.skip(8);
    let (user, system): (f64, f64) = (times.next()?.parse().ok()?, times.next()?.parse().ok()?);
    Some((group, user + system))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_stat_line_is_read_whatever_the_name_is() {
        let stat = "4711 (boot) strap) S 1 4700 4700 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 3 0 1 2 3";
        assert_eq!(parse(stat), Some((4_700, 300.0)));
    }
}
