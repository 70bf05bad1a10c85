//! The size of a function's zip. Lambda fetches and unpacks it at a cold start.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use serde_json::Value;

use crate::Failed;

/// The headers of one file in a zip, without its name.
const HEADERS: u64 = 76;

/// One file, as `sam deploy` packs it.
pub(crate) fn of_file(path: &Path) -> Result<u64, Failed> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&fs::read(path)?)?;
    Ok(encoder.finish()?.len() as u64 + HEADERS)
}

/// A function in Node with a package and all that it needs. The SDK is a part of Lambda's runtime.
pub(crate) fn of_node(directory: &Path, package: &str) -> Result<u64, Failed> {
    let modules = directory.join("node_modules");
    let (mut open, mut packages) = (vec![package.to_owned()], BTreeSet::new());
    while let Some(name) = open.pop() {
        let about: Value = serde_json::from_slice(&fs::read(modules.join(&name).join("package.json"))?)?;
        open.extend(about["dependencies"].as_object().into_iter().flatten().map(|(name, _)| name.clone()));
        if !packages.insert(name) {
            open.retain(|name| !packages.contains(name));
        }
    }
    let mut bytes = of_file(&directory.join("index.js"))?;
    for package in packages {
        bytes += of_directory(&modules.join(package))?;
    }
    Ok(bytes)
}

fn of_directory(directory: &Path) -> Result<u64, Failed> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        bytes += if kind.is_dir() { of_directory(&entry.path())? } else { of_file(&entry.path())? };
    }
    Ok(bytes)
}
