//! Events as JSON lines.

use super::{Entry, Place, Subject};
use crate::protocol::json::Object;

/// One object, one line.
pub(super) fn line(entry: &Entry) -> Vec<u8> {
    let event = &entry.event;
    let mut object = Object::default();
    object.number("seq", entry.seq);
    object.text("time", format!("{:.6}", event.time).as_bytes());
    object.text("event", event.kind.name().as_bytes());
    if let Some(tag) = &event.session {
        object.number("session", tag.id);
        if let Some(username) = &tag.username {
            object.text("username", username);
        }
        object.text("remote_ip", tag.remote.ip().to_canonical().to_string().as_bytes());
        object.number("remote_port", tag.remote.port().into());
        if let Some(tls) = tag.tls {
            object.text("tls", tls.version.as_bytes());
            object.text("cipher", tls.cipher.as_bytes());
        }
    }
    match &event.subject {
        Subject::Session => {}
        Subject::Reason(reason) => object.text("reason", reason.as_bytes()),
        Subject::Server(address) => {
            object.text("host", address.ip().to_string().as_bytes());
            object.number("port", address.port().into());
        }
        Subject::Path(place) => write_place(&mut object, "path", "virtual_path", place),
        Subject::Renamed { from, to } => {
            write_place(&mut object, "path_from", "virtual_path_from", from);
            write_place(&mut object, "path_to", "virtual_path_to", to);
        }
        Subject::Transfer { file, bytes, duration, tls, reason } => {
            write_place(&mut object, "path", "virtual_path", file);
            object.number("bytes", *bytes);
            object.number("duration_ms", u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
            if let Some(tls) = tls {
                object.text("data_tls", tls.version.as_bytes());
                object.text("data_cipher", tls.cipher.as_bytes());
            }
            if let Some(reason) = reason {
                object.text("reason", reason.as_bytes());
            }
        }
    }
    object.finish()
}

fn write_place(object: &mut Object, real: &str, shown: &str, place: &Place) {
    object.text(real, &place.real);
    object.text(shown, &place.shown);
}

#[cfg(test)]
mod tests {
    use super::super::{Event, Kind, SessionTag};
    use super::*;
    use crate::protocol::protection::Protection;
    use std::time::Duration;

    fn entry(subject: Subject) -> Entry {
        let tag = SessionTag {
            id: 7,
            remote: "[::ffff:10.0.0.1]:5555".parse().unwrap(),
            username: Some((*b"ann\"\r\n").into()),
            tls: None,
        };
        let event = Event {
            kind: Kind::FileReceived,
            time: "2026-01-02T03:04:05.678Z".parse().unwrap(),
            session: Some(tag),
            subject,
        };
        Entry { seq: 3, event }
    }

    #[test]
    fn a_transfer_has_all_its_fields_in_order() {
        let file = Place { real: b"/srv/a".to_vec(), shown: b"/a".to_vec() };
        let tls = Some(Protection { version: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384" });
        let subject = Subject::Transfer { file, bytes: 9, duration: Duration::from_millis(12), tls, reason: None };
        let expected = concat!(
            r#"{"seq":3,"time":"2026-01-02T03:04:05.678000Z","event":"ftp_file_received","session":7,"#,
            r#""username":"ann\"\u000d\u000a","remote_ip":"10.0.0.1","remote_port":5555,"path":"/srv/a","#,
            r#""virtual_path":"/a","bytes":9,"duration_ms":12,"data_tls":"TLSv1.3","#,
            r#""data_cipher":"TLS_AES_256_GCM_SHA384"}"#,
            "\n"
        );
        assert_eq!(String::from_utf8(line(&entry(subject))).unwrap(), expected);
    }

    #[test]
    fn any_name_is_valid_json_and_comes_back() {
        let name: Vec<u8> = (0..=127).chain("ü\u{2028}".bytes()).collect();
        let place = Place { real: name.clone(), shown: b"x".to_vec() };
        let text = line(&entry(Subject::Path(place)));
        assert_eq!(text.iter().filter(|&&b| b == b'\n').count(), 1);
        let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(value["path"].as_str().unwrap().as_bytes(), name);
    }

    #[test]
    fn a_foreign_byte_is_a_lone_surrogate() {
        let place = Place { real: b"a\xFFb\x80".to_vec(), shown: b"x".to_vec() };
        let text = String::from_utf8(line(&entry(Subject::Path(place)))).unwrap();
        assert!(text.contains(r#""path":"a\udcffb\udc80""#), "{text}");
    }
}
