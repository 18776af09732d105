//! What does a disk hold after the power has failed?

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Cut;
use crate::dice::Dice;

/// What is known after the power has failed.
pub(super) struct Disk {
    shadow: PathBuf,
    /// Where each inode is with all its writes, synced or not.
    live: BTreeMap<u64, PathBuf>,
    cut: Cut,
}

impl Disk {
    /// Of this data, the shadow of it, and what a cut leaves.
    pub(super) fn new(data: &Path, shadow: &Path, cut: Cut) -> Self {
        let mut live = BTreeMap::new();
        find_inodes(data, &mut live);
        find_inodes(&shadow.join("pins"), &mut live);
        Self {
            shadow: shadow.to_owned(),
            live,
            cut,
        }
    }

    /// Makes the directory of this inode anew in `to`.
    pub(super) fn rebuild(&self, directory: u64, to: &Path, dice: &mut Dice) {
        let synced = fs::read_to_string(self.shadow.join("dirs").join(directory.to_string()));
        let mut names = entries(&synced.unwrap_or_default());
        if self.cut == Cut::SomeBlocks
            && let Some(path) = self.live.get(&directory)
        {
            // Each change of the directory may have reached the disk.
            let now = entries(&list(path));
            let all: Vec<String> = names.keys().chain(now.keys()).cloned().collect();
            for name in all {
                if names.get(&name) != now.get(&name) && dice.between(0, 1) == 1 {
                    match now.get(&name) {
                        Some(entry) => names.insert(name, *entry),
                        None => names.remove(&name),
                    };
                }
            }
        }
        for (name, (is_directory, inode)) in names {
            let path = to.join(name);
            if is_directory {
                fs::create_dir(&path).expect("a temporary directory");
                self.rebuild(inode, &path, dice);
            } else {
                fs::write(&path, self.content(inode, dice)).expect("a temporary file");
            }
        }
    }

    /// How many files had something that was not synced.
    pub(super) fn unsynced(&self) -> usize {
        let files = self.live.iter().filter(|(_, path)| path.is_file());
        files
            .filter(|(inode, path)| {
                // Never synced, and never needed: what readers and the writer share in memory.
                let is_shared = path.to_string_lossy().ends_with("-shm");
                let synced = fs::read(self.shadow.join("inodes").join(inode.to_string()));
                !is_shared && synced.ok() != fs::read(path).ok()
            })
            .count()
    }

    fn content(&self, inode: u64, dice: &mut Dice) -> Vec<u8> {
        let synced = fs::read(self.shadow.join("inodes").join(inode.to_string()));
        let synced = synced.unwrap_or_default();
        match (self.cut, self.live.get(&inode)) {
            (Cut::SomeBlocks, Some(path)) => {
                let live = fs::read(path).expect("a file of the data");
                torn(synced, &live, dice)
            }
            _ => synced,
        }
    }
}

/// Some of the blocks in which `live` differs from what is on the disk have reached it.
fn torn(mut disk: Vec<u8>, live: &[u8], dice: &mut Dice) -> Vec<u8> {
    let block = if dice.between(0, 1) == 0 { 512 } else { 4096 };
    // Lengths reach the disk apart from contents. What lies between reads as zeros.
    let length = if live.len() > disk.len() {
        dice.between(disk.len() as u64, live.len() as u64) as usize
    } else if dice.between(0, 1) == 0 {
        live.len()
    } else {
        disk.len()
    };
    disk.resize(length, 0);
    let changed: Vec<usize> = (0..live.len().min(length))
        .step_by(block)
        .filter(|&at| {
            let end = (at + block).min(live.len()).min(length);
            disk[at..end] != live[at..end]
        })
        .collect();
    let strategy = dice.between(0, 5);
    let bound = dice.between(0, changed.len() as u64) as usize;
    for (number, &at) in changed.iter().enumerate() {
        let arrived = match strategy {
            0 => true,
            1 => number < bound,
            2 => number >= bound,
            3 => dice.between(0, 1) == 0,
            4 => false,
            _ => dice.between(0, 9) != 0,
        };
        if arrived {
            let end = (at + block).min(live.len()).min(length);
            disk[at..end].copy_from_slice(&live[at..end]);
        }
    }
    disk
}

/// The entries of a list as the shim writes it: whether each is a directory, and its inode.
fn entries(list: &str) -> BTreeMap<String, (bool, u64)> {
    list.lines()
        .map(|line| {
            let mut parts = line.splitn(3, ' ');
            let is_directory = parts.next() == Some("d");
            let inode = parts.next().and_then(|inode| inode.parse().ok());
            let name = parts.next().expect("a name");
            (name.to_owned(), (is_directory, inode.expect("an inode")))
        })
        .collect()
}

fn list(directory: &Path) -> String {
    children(directory)
        .iter()
        .map(|path| {
            let kind = if path.is_dir() { 'd' } else { 'f' };
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            format!("{kind} {} {name}\n", inode(path))
        })
        .collect()
}

pub(super) fn settle(directory: &Path, shadow: &Path) {
    let list_path = shadow.join("dirs").join(inode(directory).to_string());
    fs::write(list_path, list(directory)).expect("a temporary file");
    for path in children(directory) {
        if path.is_dir() {
            settle(&path, shadow);
        } else {
            let to = shadow.join("inodes").join(inode(&path).to_string());
            fs::copy(&path, to).expect("a temporary file");
        }
    }
}

fn find_inodes(directory: &Path, found: &mut BTreeMap<u64, PathBuf>) {
    found.insert(inode(directory), directory.to_owned());
    for path in children(directory) {
        if path.is_dir() {
            find_inodes(&path, found);
        } else {
            found.insert(inode(&path), path);
        }
    }
}

pub(super) fn copy_tree(from: &Path, to: &Path) {
    for path in children(from) {
        let to = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            fs::create_dir(&to).expect("a temporary directory");
            copy_tree(&path, &to);
        } else {
            fs::copy(&path, to).expect("a temporary file");
        }
    }
}

pub(super) fn empty(directory: &Path) {
    for path in children(directory) {
        let removed = match path.is_dir() {
            true => fs::remove_dir_all(&path),
            false => fs::remove_file(&path),
        };
        removed.expect("a temporary directory");
    }
}

fn children(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a temporary directory");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a temporary directory").path())
        .collect();
    paths.sort();
    paths
}

pub(super) fn inode(path: &Path) -> u64 {
    fs::symlink_metadata(path).expect("a temporary path").ino()
}
