//! Puts load of one kind on one running FTP server, and prints what came of it as a line of JSON; or is the bare sender and
//! receiver, which shows how fast it could be at best. Made for `run` beside it, which says what each figure is for.

mod bare;
mod client;
mod connection;
mod least;
mod options;
mod processes;
mod scenarios;
mod together;

use options::Options;

/// What went wrong, in a line.
pub type Result<T> = std::result::Result<T, String>;

/// Names of what was measured, and how much it was.
pub type Figures = Vec<(&'static str, f64)>;

fn main() {
    match Options::given().and_then(|options| scenarios::run(&options)) {
        Ok(figures) => println!("{{{}}}", figures.iter().map(member).collect::<Vec<_>>().join(", ")),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    }
}

fn member((name, value): &(&str, f64)) -> String {
    format!("\"{name}\": {value:.4}")
}
