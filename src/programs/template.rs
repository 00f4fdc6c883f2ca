//! Arguments with placeholders, which become bytes: nothing in them can end an argument or begin another one.

/// An argument such as `--file={path}`; `{{` and `}}` stand for braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Value(String),
}

impl Template {
    /// Reads an argument in which these placeholders may stand.
    pub fn parse(text: &str, placeholders: &'static [&'static str]) -> Result<Template, String> {
        let (mut pieces, mut literal, mut rest) = (Vec::new(), String::new(), text);
        while let Some((before, found)) = rest.find(['{', '}']).and_then(|brace| rest.split_at_checked(brace)) {
            literal.push_str(before);
            if let Some(tail) = found.strip_prefix("{{").or_else(|| found.strip_prefix("}}")) {
                literal.extend(found.chars().next());
                rest = tail;
                continue;
            }
            let name = found.strip_prefix('{').and_then(|tail| tail.split_once('}'));
            let known = name.and_then(|(name, tail)| Some((placeholders.iter().find(|known| **known == name)?, tail)));
            let Some((name, tail)) = known else {
                let names: Vec<String> = placeholders.iter().map(|name| format!("{{{name}}}")).collect();
                return Err(format!("{text:?}: only {}, {{{{ and }}}} can be used in braces", names.join(", ")));
            };
            pieces.extend([Piece::Text(std::mem::take(&mut literal)), Piece::Value(name.to_string())]);
            rest = tail;
        }
        pieces.push(Piece::Text(literal + rest));
        Ok(Template(pieces))
    }

    /// An argument as it is.
    pub fn literal(text: &str) -> Template {
        Template(vec![Piece::Text(text.to_string())])
    }

    /// The placeholders in it, in their order.
    pub fn placeholders(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Value(name) => Some(name.as_str()),
            Piece::Text(_) => None,
        })
    }

    /// The pieces, each with whether it is a placeholder; [`from_pieces`](Template::from_pieces) takes them.
    pub(super) fn pieces(&self) -> impl Iterator<Item = (bool, &str)> {
        self.0.iter().map(|piece| match piece {
            Piece::Text(text) => (false, text.as_str()),
            Piece::Value(name) => (true, name.as_str()),
        })
    }

    /// The template of these pieces.
    pub(super) fn from_pieces(pieces: impl Iterator<Item = (bool, String)>) -> Template {
        let piece = |(is_value, text)| if is_value { Piece::Value(text) } else { Piece::Text(text) };
        Template(pieces.map(piece).collect())
    }

    /// The argument with these values.
    pub fn filled(&self, value: impl Fn(&str) -> Vec<u8>) -> Vec<u8> {
        let bytes = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone().into_bytes(),
            Piece::Value(name) => value(name),
        };
        self.0.iter().flat_map(bytes).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_become_bytes_once() {
        let filled = |text: &str| {
            let template = Template::parse(text, &["path", "seq"])?;
            Ok::<_, String>(template.filled(|name| if name == "seq" { b"7".to_vec() } else { b"{seq} \xff".to_vec() }))
        };
        assert_eq!(filled("--file={path};{seq}"), Ok(b"--file={seq} \xff;7".to_vec()));
        assert_eq!(filled("{{path}} }}{{ü"), Ok("{path} }{ü".into()));
        assert_eq!(filled(""), Ok(Vec::new()));
        let why = "\"{x}\": only {path}, {seq}, {{ and }} can be used in braces";
        assert_eq!(filled("{x}"), Err(why.to_string()));
        for bad in ["{", "}", "{path", "{}", "path}", "{pa{path}"] {
            assert!(filled(bad).is_err(), "{bad}");
        }
        assert_eq!(Template::literal("{x}").filled(|_| Vec::new()), b"{x}");
    }
}
