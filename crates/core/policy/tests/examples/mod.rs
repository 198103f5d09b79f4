//! The files of `examples/policies`, for tests that look at all of them.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::disallowed_methods, reason = "a test reads the examples")]

use std::path::{Path, PathBuf};

/// The folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../examples/policies")
}

/// The YAML files of some of its folders, by name.
pub(crate) fn files(folders: &[&str]) -> Vec<PathBuf> {
    let of_folder = |folder: &&str| {
        let entries = std::fs::read_dir(root().join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
        entries.map(|entry| entry.expect("an entry").path()).collect::<Vec<_>>()
    };
    let is_yaml = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "yaml");
    let mut files: Vec<_> = folders.iter().flat_map(of_folder).filter(is_yaml).collect();
    files.sort();
    files
}

/// What a file says.
pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The name without its folder.
pub(crate) fn name(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}
