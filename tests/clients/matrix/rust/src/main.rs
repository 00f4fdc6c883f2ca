//! Rust's suppaftp: HOST PORT TLS DATA DIRECTORY AUTHORITY. What it prints is the listing.

use std::error::Error;
use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs, io};

use suppaftp::list::ListParser;
use suppaftp::rustls::pki_types::CertificateDer;
use suppaftp::rustls::pki_types::pem::PemObject;
use suppaftp::rustls::{ClientConfig, RootCertStore};
use suppaftp::types::FileType;
use suppaftp::{Mode, RustlsConnector, RustlsFtpStream};

const PATIENCE: Duration = Duration::from_secs(30);

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [host, port, tls, data, directory, authority] = &arguments[..] else {
        return Err("HOST PORT TLS DATA DIRECTORY AUTHORITY".into());
    };
    let address = SocketAddr::new(host.parse::<IpAddr>()?, port.parse()?);
    let mut ftp = match tls.as_str() {
        "plain" => RustlsFtpStream::connect_timeout(address, PATIENCE)?,
        "explicit" => RustlsFtpStream::connect_timeout(address, PATIENCE)?.into_secure(connector(authority)?, host)?,
        _ => RustlsFtpStream::connect_secure_implicit(address, connector(authority)?, host)?,
    };
    ftp.get_ref().set_read_timeout(Some(PATIENCE))?;
    ftp.login("ann", "ann-secret")?;
    if tls == "implicit" {
        for command in ["PBSZ 0", "PROT P"] {
            ftp.custom_command(command, &[suppaftp::Status::CommandOk])?;
        }
    }
    ftp.set_mode(match data.as_str() {
        "PASV" => Mode::Passive,
        "EPSV" => Mode::ExtendedPassive,
        _ => Mode::Active,
    });
    ftp.transfer_type(FileType::Binary)?;
    ftp.cwd(directory)?;
    play(&mut ftp)?;
    ftp.quit()?;
    Ok(())
}

fn play(ftp: &mut RustlsFtpStream) -> Result<()> {
    let size = ftp.put_file("up.bin", &mut File::open("up.bin")?)?;
    for line in ftp.list(None)? {
        println!("{line}");
        let file = ListParser::parse_posix(&line)?;
        if file.name() == "up.bin" && file.size() as u64 != size {
            return Err(format!("up.bin is listed with {} bytes", file.size()).into());
        }
    }
    for line in ftp.mlsd(None)? {
        println!("{}", ListParser::parse_mlsd(&line)?.name());
    }
    let mut down = File::create("down.bin")?;
    let mut stream = ftp.retr_as_stream("up.bin")?;
    io::copy(&mut stream, &mut down)?;
    stream.finish()?;
    if fs::metadata("down.bin")?.len() != ftp.size("up.bin")? as u64 {
        return Err("down.bin has another size than SIZE says".into());
    }
    ftp.rename("up.bin", "moved.bin")?;
    ftp.rm("surplus.bin")?;
    Ok(())
}

fn connector(authority: &str) -> Result<RustlsConnector> {
    let mut trusted = RootCertStore::empty();
    trusted.add(CertificateDer::from_pem_file(authority)?)?;
    let config = ClientConfig::builder().with_root_certificates(trusted).with_no_client_auth();
    Ok(RustlsConnector::from(Arc::new(config)))
}
