//! What a store answers in XML.

use super::super::bucket::{Object, Page};
use jiff::Timestamp;
use roxmltree::{Document, Node};
use std::str::FromStr;

/// The word and the sentence of an answer that is an error.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Complaint {
    pub(in super::super) code: String,
    pub(in super::super) message: String,
}

/// What is wrong according to the store; nothing known if it does not say.
pub(in super::super) fn complaint(body: &str) -> Complaint {
    let Ok(document) = Document::parse(body) else { return Complaint::default() };
    let root = document.root_element();
    // The service of tokens has it a level deeper.
    let error = if root.has_tag_name("Error") { Some(root) } else { child(root, "Error") };
    let Some(error) = error else { return Complaint::default() };
    let said = |name| text(error, name).unwrap_or_default().to_string();
    Complaint { code: said("Code"), message: said("Message") }
}

/// The text of an element of the answer, which has to be of this kind.
pub(in super::super) fn value(body: &str, kind: &str, name: &str) -> Result<String, String> {
    let document = parse(body, kind)?;
    let found = document.descendants().find(|node| node.tag_name().name() == name).and_then(|node| node.text());
    found.map(str::to_string).ok_or_else(|| format!("an answer without {name}"))
}

/// A page of a listing.
pub(in super::super) fn page(body: &str) -> Result<Page, String> {
    let document = parse(body, "ListBucketResult")?;
    let root = document.root_element();
    let is_encoded = text(root, "EncodingType") == Some("url");
    let key = |key: &str| if is_encoded { decoded(key) } else { Ok(key.to_string()) };
    let mut page = Page::default();
    for node in root.children() {
        match node.tag_name().name() {
            "Contents" => page.objects.push((key(needed(node, "Key")?)?, object(node)?)),
            "CommonPrefixes" => page.prefixes.push(key(needed(node, "Prefix")?)?),
            _ => {}
        }
    }
    if text(root, "IsTruncated") == Some("true") {
        page.next = Some(needed(root, "NextContinuationToken")?.to_string());
    }
    Ok(page)
}

fn object(node: Node<'_, '_>) -> Result<Object, String> {
    Ok(Object {
        size: number(needed(node, "Size")?)?,
        modified: number(needed(node, "LastModified")?)?,
        version: text(node, "ETag").unwrap_or_default().to_string(),
    })
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("an answer with {text:?}"))
}

fn parse<'a>(body: &'a str, kind: &str) -> Result<Document<'a>, String> {
    let document = Document::parse(body).map_err(|error| format!("an answer that is no XML: {error}"))?;
    let is_it = document.root_element().tag_name().name() == kind;
    if is_it { Ok(document) } else { Err(format!("an answer that is no {kind}")) }
}

fn child<'a, 'b>(node: Node<'a, 'b>, name: &str) -> Option<Node<'a, 'b>> {
    node.children().find(|child| child.tag_name().name() == name)
}

fn text<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    child(node, name)?.text()
}

fn needed<'a>(node: Node<'a, '_>, name: &str) -> Result<&'a str, String> {
    text(node, name).ok_or_else(|| format!("an answer without {name}"))
}

/// What stands for a key where not every key could stand.
fn decoded(text: &str) -> Result<String, String> {
    let wrong = || format!("an answer with the key {text:?}");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let (digits, tail) = rest.split_at_checked(2).ok_or_else(wrong)?;
                let digits = std::str::from_utf8(digits).map_err(|_| wrong())?;
                bytes.push(u8::from_str_radix(digits, 16).map_err(|_| wrong())?);
                rest = tail;
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

/// A time as headers have it.
pub(super) fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages() {
        let text = "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                    <IsTruncated>true</IsTruncated><NextContinuationToken>t&amp;1</NextContinuationToken>\
                    <EncodingType>url</EncodingType><Contents><Key>a+b%2F%C3%BC%2B</Key><Size>7</Size>\
                    <LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>&quot;x&quot;</ETag></Contents>\
                    <CommonPrefixes><Prefix>d/</Prefix></CommonPrefixes></ListBucketResult>";
        let modified = "2026-01-02T03:04:05Z".parse().unwrap();
        let object = Object { size: 7, modified, version: "\"x\"".into() };
        let expected =
            Page { objects: vec![("a b/ü+".into(), object)], prefixes: vec!["d/".into()], next: Some("t&1".into()) };
        assert_eq!(page(text), Ok(expected));
        let last = page("<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>").unwrap();
        assert!(last.is_empty() && last.next.is_none());
    }

    #[test]
    fn answers_that_are_none() {
        for bad in [
            "",
            "<html>",
            "<Error><Code>X</Code></Error>",
            "<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>",
            "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
            "<ListBucketResult><EncodingType>url</EncodingType><CommonPrefixes><Prefix>%f</Prefix></CommonPrefixes>\
             </ListBucketResult>",
        ] {
            assert!(page(bad).is_err(), "{bad}");
        }
        assert_eq!(value("<A><B>c</B></A>", "A", "B"), Ok("c".into()));
        assert!(value("<A><B>c</B></A>", "A", "C").is_err() && value("<A/>", "B", "C").is_err());
    }

    #[test]
    fn complaints() {
        let one = complaint("<Error><Code>SlowDown</Code><Message>Less.</Message></Error>");
        assert_eq!((one.code.as_str(), one.message.as_str()), ("SlowDown", "Less."));
        assert_eq!(complaint("<ErrorResponse><Error><Code>Expired</Code></Error></ErrorResponse>").code, "Expired");
        assert_eq!(complaint("nonsense"), Complaint::default());
    }
}
