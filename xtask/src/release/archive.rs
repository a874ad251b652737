//! Archives whose bytes depend on their files alone.

use std::{collections::BTreeSet, io::Write, path::Path};

use anyhow::Result;
use flate2::{Compression, write::GzEncoder};
use tar::{Builder, EntryType, Header};

/// A file of an archive. It belongs to root.
#[derive(Debug)]
pub struct File {
    /// Path without a slash at its beginning.
    pub path: String,
    /// Permissions.
    pub mode: u32,
    pub bytes: Vec<u8>,
}

/// Whether an archive has entries for folders, which a root file system needs for their permissions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Folders {
    With,
    Without,
}

/// A tar archive of these files in their order, all of this time in seconds since 1970.
pub fn tar(files: &[File], folders: Folders, seconds: u64) -> Result<Vec<u8>> {
    let mut archive = Builder::new(Vec::new());
    let mut written = BTreeSet::new();
    for file in files {
        for folder in Path::new(&file.path).ancestors().skip(1).collect::<Vec<_>>().into_iter().rev() {
            if folders == Folders::With && folder != Path::new("") && written.insert(folder.to_owned()) {
                let mut header = header(EntryType::Directory, 0o755, seconds);
                archive.append_data(&mut header, format!("{}/", folder.display()), &[][..])?;
            }
        }
        let mut header = header(EntryType::Regular, file.mode, seconds);
        header.set_size(u64::try_from(file.bytes.len())?);
        archive.append_data(&mut header, &file.path, &file.bytes[..])?;
    }
    Ok(archive.into_inner()?)
}

fn header(type_: EntryType, mode: u32, seconds: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(type_);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(seconds);
    header.set_size(0);
    header
}

/// Compresses bytes. The result names neither a time nor a file.
pub fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{command, output};

    #[test]
    fn other_programs_read_what_is_written() -> Result<()> {
        let file = |path: &str| File { path: path.to_owned(), mode: 0o640, bytes: path.as_bytes().to_vec() };
        let long = format!("etc/{}/file", "long".repeat(40));
        let bytes = gzip(&tar(&[file("etc/ssl/one"), file(&long)], Folders::With, 1_700_000_000)?)?;
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("archive.tgz");
        std::fs::write(&path, &bytes)?;
        let listed = output(command("tar").env("TZ", "UTC").arg("-tvzf").arg(&path))?;
        let lines: Vec<_> = listed.lines().collect();
        assert_eq!(lines.len(), 5, "{listed}");
        assert!(lines[0].starts_with("drwxr-xr-x 0/0 ") && lines[0].ends_with(" 2023-11-14 22:13 etc/"), "{listed}");
        assert!(lines[1].ends_with(" etc/ssl/"), "{listed}");
        assert!(lines[2].starts_with("-rw-r----- 0/0 ") && lines[2].ends_with(" etc/ssl/one"), "{listed}");
        assert!(lines[4].ends_with(&long), "{listed}");
        let content = output(command("tar").arg("-xzOf").arg(&path).arg(&long))?;
        assert_eq!(content, long);
        Ok(())
    }
}
