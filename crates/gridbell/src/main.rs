//! gridbell, the binary for people.

fn main() -> std::process::ExitCode {
    gridbell::cli::run()
}
