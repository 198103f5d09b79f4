//! The pages of `docs/reference/` that are made from the code say what it says.

use std::path::Path;
use tidegauge::config::{Config, Layers};
use tidegauge::reference::{REWRITE, pages};

#[test]
fn the_reference_says_what_the_code_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs/reference");
    let config = Config::load(&Layers::default()).expect("the defaults are right");
    for (file, text) in pages(&config) {
        let path = folder.join(file);
        if std::env::var("TIDEGAUGE_BLESS").is_ok_and(|value| value == "1") {
            std::fs::create_dir_all(&folder).expect("docs/reference");
            std::fs::write(&path, &text).expect("a page");
        }
        let page = std::fs::read_to_string(&path).unwrap_or_default();
        let differs = text.lines().zip(page.lines()).position(|(want, is)| want != is);
        if text != page {
            let line = differs.unwrap_or_else(|| text.lines().count().min(page.lines().count()));
            let [want, is] = [&text, &page].map(|text| text.lines().nth(line).unwrap_or("(its end)"));
            panic!(
                "docs/reference/{file}, line {}: the code says\n  {want}\nand the page\n  {is}\nWrite it anew: {REWRITE}",
                line + 1
            );
        }
    }
}

/// Links within the pages lead somewhere.
#[test]
fn links_have_headings() {
    let config = Config::load(&Layers::default()).expect("the defaults are right");
    let pages = pages(&config);
    let anchors = |file: &str| -> Vec<String> {
        let page = pages.iter().find(|(name, _)| *name == file).map_or("", |(_, text)| text.as_str());
        let headings = page.lines().filter_map(|line| line.strip_prefix('#'));
        headings.map(|heading| heading.trim_start_matches('#').trim().to_lowercase()).collect()
    };
    for (file, text) in &pages {
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (page, anchor) = link.split_once('#').unwrap_or((link, ""));
            let page = if page.is_empty() { *file } else { page };
            assert!(pages.iter().any(|(name, _)| *name == page), "{file}: {link}");
            assert!(anchor.is_empty() || anchors(page).iter().any(|heading| heading == anchor), "{file}: {link}");
        }
    }
}
