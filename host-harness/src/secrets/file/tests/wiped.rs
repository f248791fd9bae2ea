//! What is left of a secret in this process's memory once nobody holds it: nothing. The memory is searched for it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use super::*;

/// Bytes that are looked at in one go.
const STRETCH: usize = 1 << 20;

/// A value that stands nowhere in the program, told by something that is not itself.
struct Canary(u64);

impl Canary {
    const LENGTH: usize = 48;

    fn new() -> Self {
        let mut seed = [0; 8];
        crate::secrets::secret::random(&mut seed).unwrap();
        Self(u64::from_be_bytes(seed))
    }

    /// The byte at a place: a letter, so that the value is text without escapes.
    fn byte(&self, place: usize) -> u8 {
        let mixed = (self.0 ^ place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23);
        b'a' + u8::try_from(mixed.wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32 & 0xff).unwrap() % 26
    }

    fn secret(&self) -> Secret {
        let mut text = String::with_capacity(Self::LENGTH + 3);
        // As tokens stand in the store: a text of JSON.
        text.push('"');
        (0..Self::LENGTH).for_each(|place| text.push(char::from(self.byte(place))));
        text.push_str("\"\n");
        text.into()
    }

    /// How often it stands in what can be read of this process's memory.
    fn copies(&self) -> usize {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let mut memory = File::open("/proc/self/mem").unwrap();
        let mut stretch = vec![0; STRETCH + Self::LENGTH];
        let own = stretch.as_ptr() as u64..stretch.as_ptr() as u64 + stretch.len() as u64;
        let mut copies = 0;
        for line in maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|rights| rights.starts_with("rw"))) {
            let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
            let [mut from, to] = [from, to].map(|place| u64::from_str_radix(place, 16).unwrap());
            while from < to {
                let length = usize::try_from(to - from).unwrap().min(stretch.len());
                memory.seek(SeekFrom::Start(from)).unwrap();
                // Some stretches, of the kernel, cannot be read.
                let Ok(read) = memory.read(&mut stretch[..length]) else { break };
                let is_here = |start: &usize| (0..Self::LENGTH).all(|place| stretch[start + place] == self.byte(place));
                let found = (0..read.saturating_sub(Self::LENGTH)).filter(is_here);
                copies += found.filter(|start| !own.contains(&(from + *start as u64))).count();
                if read < length || length <= Self::LENGTH {
                    break;
                }
                from += (length - Self::LENGTH) as u64;
            }
        }
        stretch.fill(0);
        copies
    }
}

#[test]
fn of_a_secret_that_was_kept_read_and_dropped_no_copy_is_left_in_memory() {
    let folder = Folder::in_use();
    let canary = Canary::new();
    let store = folder.open();
    {
        let held = canary.secret();
        assert_eq!(canary.copies(), 1, "the search finds what there is");
        store.set("b", held.clone()).unwrap();
        assert_eq!(store.get("b").unwrap().unwrap().value, held);
    }
    let revision = store.get("b").unwrap().unwrap().revision;
    store.write("b", &Some(revision), Some(canary.secret())).unwrap();
    store.rekey(None).unwrap();
    store.list().unwrap();
    assert_eq!(value_length(&store), Canary::LENGTH + 3);
    assert_eq!(canary.copies(), 0);
}

fn value_length(store: &SealedFile) -> usize {
    store.get("b").unwrap().unwrap().value.expose().len()
}

#[test]
fn a_copy_that_is_only_freed_is_found() {
    let canary = Canary::new();
    // As a text would be dropped that is no secret; its first bytes belong to the allocator afterwards.
    let plain = vec![String::from("x").repeat(64), canary.secret().expose().repeat(2)];
    drop(plain);
    assert!(canary.copies() >= 1, "else the search would prove nothing");
}
