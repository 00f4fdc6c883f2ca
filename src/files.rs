//! Files that are read as a whole: regular ones, of a size that such a file can have. Nothing else is waited for.

use rustix::fs::OFlags;
use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// All that is in it, if that is no more than `most` bytes.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    // To open a pipe would be to wait for somebody who writes to it.
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    if !metadata.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    match u64::try_from(bytes.len()) {
        Ok(length) if length <= most => Ok(bytes),
        _ => Err(io::Error::other(format!("it is too large: there are more than {most} bytes in it"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_small_files_are_read() {
        let told = |path: &str, most: u64| read(Path::new(path), most).map_err(|error| error.to_string());
        let own = concat!(env!("CARGO_MANIFEST_DIR"), "/src/files.rs");
        let length = std::fs::metadata(own).unwrap().len();
        assert_eq!(told(own, length).unwrap().len() as u64, length);
        assert!(told(own, length - 1).unwrap_err().contains("it is too large"));
        assert_eq!(told("/dev/zero", 9).unwrap_err(), "it is no regular file");
        assert_eq!(read(Path::new("/"), 9).unwrap_err().kind(), ErrorKind::IsADirectory);
    }
}
