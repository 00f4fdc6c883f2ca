//! TYPE A: lines end in CRLF on the wire and in LF on the disk, whatever the chunks they come in.

/// Downloads: gives each bare LF its CR.
#[derive(Debug, Default)]
pub struct ToNetwork {
    after_cr: bool,
}

impl ToNetwork {
    /// Appends the converted chunk to `out`.
    pub fn convert(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        for &byte in chunk {
            if byte == b'\n' && !self.after_cr {
                out.push(b'\r');
            }
            self.after_cr = byte == b'\r';
            out.push(byte);
        }
    }
}

/// Uploads: takes the CR of each CRLF away.
#[derive(Debug, Default)]
pub struct FromNetwork {
    held_cr: bool,
}

impl FromNetwork {
    /// Appends the converted chunk to `out`; a CR at its end waits for what follows.
    pub fn convert(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        for &byte in chunk {
            if self.held_cr && byte != b'\n' {
                out.push(b'\r');
            }
            self.held_cr = byte == b'\r';
            if !self.held_cr {
                out.push(byte);
            }
        }
    }

    /// The end of the upload: a CR that still waits was a byte of the file.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.held_cr) {
            out.push(b'\r');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_cut_a_text_gives_the_same() {
        let disk = b"a\nb\r\nc\rd\n\n\r";
        let wire = b"a\r\nb\r\nc\rd\r\n\r\n\r";
        for cut in 0..=disk.len() {
            let (mut to, mut out) = (ToNetwork::default(), Vec::new());
            to.convert(&disk[..cut], &mut out);
            to.convert(&disk[cut..], &mut out);
            assert_eq!(out, wire, "cut at {cut}");
        }
        for cut in 0..=wire.len() {
            let (mut from, mut out) = (FromNetwork::default(), Vec::new());
            from.convert(&wire[..cut], &mut out);
            from.convert(&wire[cut..], &mut out);
            from.finish(&mut out);
            assert_eq!(out, b"a\nb\nc\rd\n\n\r", "cut at {cut}");
        }
    }
}
