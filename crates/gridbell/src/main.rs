//! The `gridbell` command line.

fn main() -> std::process::ExitCode {
    gridbell::cli::run()
}
