//! The configuration file with every setting, its documentation and its default.

use super::layers::known;
use super::reader::Known;
use super::setting::Default;
use std::fmt::Write;

const HEADER: &str = "\
# Configuration of tidegauge: every setting with its default; what you leave out keeps it. What is set elsewhere has
# precedence, in this order: this file, environment variables (TIDEGAUGE__TIME__PANE=5s for time.pane), flags
# (--set time.pane=5s). Durations have units: 500ms, 10s, 5m, 1h30m, 7d. Sizes too: 64 KiB, 1 MiB.
";

/// A commented YAML file that means the defaults.
#[must_use]
pub fn template() -> String {
    let mut out = HEADER.to_owned();
    let known = known();
    let mut rest = known.as_slice();
    while let [first, tail @ ..] = rest {
        let items = tail.iter().take_while(|known| known.in_list).count();
        if !first.key.is_empty() {
            write(first, &tail[..items], &mut out).expect("a string takes whatever is written");
        }
        rest = &tail[items..];
    }
    out
}

/// Writes a key; `items` are the keys of its items, if it is a list of sections.
fn write(known: &Known, items: &[Known], out: &mut String) -> std::fmt::Result {
    let indent = "  ".repeat(known.key.matches('.').count());
    if indent.is_empty() {
        writeln!(out)?;
    }
    known.docs.iter().try_for_each(|line| writeln!(out, "{indent}#{line}"))?;
    for item in items {
        let mut docs = item.docs.iter();
        writeln!(out, "{indent}# - {}:{}", name(item), docs.next().unwrap_or(&""))?;
        docs.try_for_each(|line| writeln!(out, "{indent}#    {line}"))?;
    }
    match known.default {
        None => writeln!(out, "{indent}{}:", name(known)),
        Some(Default::Text(text)) => writeln!(out, "{indent}{}: {text}", name(known)),
        Some(Default::Absent | Default::Required) => writeln!(out, "{indent}# {}:", name(known)),
    }
}

fn name(known: &Known) -> &str {
    known.key.rsplit('.').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Layers;

    fn read(text: &str) -> super::super::raw::RawConfig {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("tidegauge.yaml");
        std::fs::write(&file, text).expect("a temporary file");
        let layers = Layers { file: Some(file), ..Layers::default() };
        layers.read().unwrap_or_else(|error| panic!("{error}\n{text}")).raw
    }

    #[test]
    fn f2_the_template_means_the_defaults() {
        assert_eq!(read(&template()), read("{}"));
        let too_long: Vec<_> =
            template().lines().filter(|line| line.chars().count() > 120).map(str::to_owned).collect();
        assert_eq!(too_long, [""; 0]);
    }

    #[test]
    fn every_setting_is_in_the_template_with_its_documentation() {
        let template = template();
        for known in known().iter().filter(|known| !known.key.is_empty()) {
            assert!(!known.docs.is_empty(), "{} says nothing", known.key);
            assert!(template.contains(&format!("{}:", name(known))), "{} is missing", known.key);
        }
    }
}
