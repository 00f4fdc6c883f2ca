//! The program: hands its arguments to the library.

fn main() -> std::process::ExitCode {
    django_ftpd::cli::run(std::env::args_os())
}
