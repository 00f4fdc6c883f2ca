//! The lines of LIST and the names of NLST.

use super::facts::{Facts, Kind};
use super::numbers::{decimal_to_the_left, decimal_to_the_right};
use super::time::ListingClock;

/// Appends one line of LIST: `-rw-r--r--   1 1000     100          1234 Nov 20 22:37 name`.
pub fn write_line(facts: &Facts, name: &[u8], clock: &ListingClock, out: &mut Vec<u8>) {
    let kind = match (&facts.link_target, facts.kind) {
        (Some(_), _) => b'l',
        (None, Kind::File) => b'-',
        (None, Kind::Directory) => b'd',
        (None, Kind::Other) => b's',
    };
    out.push(kind);
    let mut mode = *b"rwxrwxrwx";
    for (bit, letter) in mode.iter_mut().enumerate() {
        if facts.mode & (0o400 >> bit) == 0 {
            *letter = b'-';
        }
    }
    out.extend_from_slice(&mode);
    out.push(b' ');
    decimal_to_the_right(facts.links, 3, out);
    out.push(b' ');
    decimal_to_the_left(facts.uid.into(), 8, out);
    out.push(b' ');
    decimal_to_the_left(facts.gid.into(), 8, out);
    out.push(b' ');
    decimal_to_the_right(facts.size, 8, out);
    out.push(b' ');
    clock.write(facts.modified, out);
    out.push(b' ');
    push_name(name, out);
    if let Some(target) = &facts.link_target {
        out.extend_from_slice(b" -> ");
        push_name(target, out);
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends a name and a line end.
pub fn write_name(name: &[u8], out: &mut Vec<u8>) {
    push_name(name, out);
    out.extend_from_slice(b"\r\n");
}

/// Appends a name byte for byte, but for what would end the line: such a file can't be named in a command either.
fn push_name(name: &[u8], out: &mut Vec<u8>) {
    let ends_line = |byte: &u8| matches!(byte, b'\r' | b'\n');
    if name.iter().any(ends_line) {
        out.extend(name.iter().map(|byte| if ends_line(byte) { b'?' } else { *byte }));
    } else {
        out.extend_from_slice(name);
    }
}

/// Splits the argument of LIST and NLST: `-flags` as for ls(1), of which only `R` means something here, and the path.
pub fn split_flags(argument: &[u8]) -> (bool, &[u8]) {
    let (mut recursive, mut rest) = (false, argument);
    while let Some(flags) = rest.strip_prefix(b"-") {
        let end = flags.iter().position(|&b| b == b' ').unwrap_or(flags.len());
        let (word, tail) = flags.split_at(end);
        recursive |= word.contains(&b'R');
        rest = tail.strip_prefix(b" ").unwrap_or(tail);
        if word == b"-" {
            break;
        }
    }
    (recursive, rest)
}

#[cfg(test)]
mod tests {
    use super::super::facts::sample;
    use super::*;

    fn line(facts: &Facts, name: &[u8]) -> String {
        let mut out = Vec::new();
        write_line(facts, name, &ListingClock::new(false), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lines_as_ls_writes_them() {
        let start = "drwxr-xr-x   1 1000     100          1234 Jan 02 ";
        let shown = line(&sample(Kind::Directory), b"a dir");
        assert!(shown.starts_with(start) && shown.ends_with(" a dir\r\n"), "{shown}");
        let mut link = sample(Kind::File);
        link.link_target = Some(b"there".to_vec());
        assert!(line(&link, b"x\r\ny").ends_with(" x??y -> there\r\n"));
    }

    #[test]
    fn flags_are_cut_off_and_blanks_of_the_path_stay() {
        for (argument, recursive, path) in [
            ("", false, ""),
            ("-a", false, ""),
            ("-la  x y ", false, " x y "),
            ("-a -R /p q", true, "/p q"),
            ("-aL /x", false, "/x"),
            ("-- -odd", false, "-odd"),
            ("x -l", false, "x -l"),
        ] {
            assert_eq!(split_flags(argument.as_bytes()), (recursive, path.as_bytes()), "{argument}");
        }
    }
}
