//! The text format in which Prometheus takes metrics.

use std::fmt::{Display, Write};

/// What kind of numbers they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    /// It only grows; its name ends with `_total`.
    Counter,
    /// It comes and goes.
    Gauge,
    /// A sum and a count.
    Summary,
}

/// A page of metrics.
#[derive(Debug, Default)]
pub(super) struct Page(String);

/// Labels with their values.
pub(super) type Labels<'a> = &'a [(&'static str, &'a str)];

impl Page {
    /// Begins metrics of one name.
    pub(super) fn family<'a>(&'a mut self, name: &'static str, kind: Type, help: &str) -> Family<'a> {
        let word = match kind {
            Type::Counter => "counter",
            Type::Gauge => "gauge",
            Type::Summary => "summary",
        };
        // Writing to a string can't fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {word}\n");
        Family { page: self, name }
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

/// Metrics of one name.
pub(super) struct Family<'a> {
    page: &'a mut Page,
    name: &'static str,
}

impl Family<'_> {
    /// One of them.
    pub(super) fn sample(&mut self, labels: Labels<'_>, value: impl Display) -> &mut Self {
        self.suffixed("", labels, value)
    }

    /// One whose name has more to it.
    pub(super) fn suffixed(&mut self, suffix: &str, labels: Labels<'_>, value: impl Display) -> &mut Self {
        let out = &mut self.page.0;
        out.push_str(self.name);
        out.push_str(suffix);
        for (index, (key, label)) in labels.iter().enumerate() {
            let _ = write!(out, "{}{key}=\"{}\"", if index == 0 { '{' } else { ',' }, escaped(label));
        }
        if !labels.is_empty() {
            out.push('}');
        }
        let _ = writeln!(out, " {value}");
        self
    }
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_that_of_prometheus() {
        let mut page = Page::default();
        page.family("a_total", Type::Counter, "How many.").sample(&[("x", "a\"\\\n"), ("y", "")], 7);
        page.family("b", Type::Gauge, "How much.").sample(&[], 0.5);
        let expected = "# HELP a_total How many.\n# TYPE a_total counter\na_total{x=\"a\\\"\\\\\\n\",y=\"\"} 7\n\
                        # HELP b How much.\n# TYPE b gauge\nb 0.5\n";
        assert_eq!(page.finish(), expected);
    }
}
