//! What object stores answer, in XML and JSON, and the keys that homes have there.

#![no_main]

use django_ftpd::storage::object::bucket::Page;
use django_ftpd::storage::object::fuzzing::{gcs_page, in_address, key, s3_complaint, s3_page, s3_value, time};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    for page in [s3_page(text), gcs_page(text)] {
        is_bounded(page, text);
    }
    let (code, message) = s3_complaint(text);
    assert!(code.len() + message.len() <= 2 * text.len());
    let _ = s3_value(text, "InitiateMultipartUploadResult", "UploadId");

    // A page that has the text as a key, as a store would send it.
    let page = format!(
        "<ListBucketResult><EncodingType>url</EncodingType><CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>\
         </ListBucketResult>",
        in_address(text)
    );
    let prefixes = s3_page(&page).map(|page| page.prefixes);
    assert!(prefixes == Ok(vec![text.to_string()]) || text.is_empty());

    let mut parts = text.splitn(3, '\n');
    let mut part = || parts.next().unwrap_or_default();
    let (location, home, path) = (part(), part(), part());
    let own = key(location, home.as_bytes(), b"x").map(|(key, _)| key);
    if let Some((key, are_names)) = key(location, home.as_bytes(), path.as_bytes()) {
        // Below the home's beginning, and nothing that would be read as a way up.
        let own = own.expect("a shorter key than one that can be");
        assert!(key.starts_with(own.strip_suffix('x').expect("its own name")), "{key:?} {own:?}");
        assert!(key.len() <= 1024 && !key.starts_with('/') && (are_names || path_is_home(path)), "{key:?}");
    }
    if let Some((found, written)) = time(text) {
        assert_eq!(time(&written), Some((found, written.clone())), "{text:?}");
    }
});

fn is_bounded(page: Result<Page, String>, text: &str) {
    match page {
        Err(why) => assert!(why.len() <= 8 * text.len() + 200, "{why}"),
        Ok(page) => {
            let objects = page.objects.iter().map(|(key, object)| key.len() + object.version.len());
            let bytes: usize = objects.chain(page.prefixes.iter().map(String::len)).sum();
            // An entity of XML is longer than what it stands for, and so is an escape of JSON.
            assert!(bytes + page.next.map_or(0, |next| next.len()) <= text.len());
        }
    }
}

/// Whether it names nothing in the home.
fn path_is_home(path: &str) -> bool {
    django_ftpd::protocol::path::VirtualPath::root().join(path.as_bytes()).is_root()
}
