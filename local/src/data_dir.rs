//! The folder of all data that must survive a restart. Only its owner can read it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::StartError;

const TABLES: &str = "tables.sqlite";
const PROVIDER: &str = "provider.sqlite";
const KEY: &str = "key";

pub(crate) struct DataDir(PathBuf);

impl DataDir {
    /// Makes the folder, or opens an earlier one. The file modes of an earlier folder and of its files are corrected.
    pub(crate) fn open(path: &Path) -> Result<Self, StartError> {
        let failed = |error: io::Error| StartError(format!("DATA_DIR cannot be used: {error}"));
        fs::create_dir_all(path).map_err(failed)?;
        let files = files_of(path)?;
        set_mode(path, 0o700).map_err(failed)?;
        for file in files {
            set_mode(&file, 0o600).map_err(failed)?;
        }
        // SQLite gives the files that it makes beside a database (-wal, -shm) the mode of the database.
        for database in [TABLES, PROVIDER] {
            private(OpenOptions::new().append(true).create(true)).open(path.join(database)).map_err(failed)?;
        }
        Ok(Self(path.to_owned()))
    }

    pub(crate) fn tables(&self) -> PathBuf {
        self.0.join(TABLES)
    }

    pub(crate) fn provider(&self) -> PathBuf {
        self.0.join(PROVIDER)
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.0.join(KEY)
    }
}

/// A folder with other files is refused: it may be a home directory or `/tmp`, and its mode must not change.
fn files_of(folder: &Path) -> Result<Vec<PathBuf>, StartError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name == KEY || name == "key.new" || [TABLES, PROVIDER].iter().any(|database| name.starts_with(database)) {
            files.push(entry.path());
        } else if !name.starts_with('.') {
            return Err(StartError(format!("DATA_DIR must be a folder of its own: it contains {name}")));
        }
    }
    Ok(files)
}

/// Writes a file that only its owner can read. The file is complete, or it is not there.
pub(crate) fn private_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    let mut file: File = private(OpenOptions::new().write(true).create(true).truncate(true)).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(unfinished, path)
}

/// On Windows, a file has the rights of its folder.
#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600)
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}
