//! A short run of every target over what stands near its corpus, on any toolchain. `FUZZ_SECONDS=600` is a long one.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use fuzz_targets::{TARGETS, Target};

/// Inputs of each target where no time is given.
const FEW: u64 = 10_000;
/// Bytes that an input has at most.
const LONGEST: usize = 16 * 1024;
/// What grammars are made of.
const TOKENS: [&[u8]; 24] = [
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b";",
    b"<",
    b">",
    b"=",
    b"\n",
    b"\r",
    b"\0",
    b"%",
    b"?",
    b"&",
    b"#",
    b"-",
    b"9",
    "\u{e4}".as_bytes(),
    b"\xff",
    b"1e999",
];

/// Numbers that look like chance and are the same each time (xorshift64*, Vigna 2016).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(number).unwrap() % bound.max(1)
    }
}

/// A part of it away, twice, or changed; a token more; the rest of another.
fn change(bytes: &mut Vec<u8>, others: &[Vec<u8>], dice: &mut Dice) {
    let from = dice.below(bytes.len() + 1);
    let to = (from + dice.below(32)).min(bytes.len());
    match dice.below(6) {
        0 => drop(bytes.drain(from..to)),
        1 => {
            let part = bytes.get(from..to).unwrap().to_vec();
            bytes.splice(from..from, part);
        }
        2 => bytes.iter_mut().skip(from).take(1).for_each(|byte| *byte ^= 1 << (to - from).min(7)),
        3 | 4 => {
            let token = TOKENS.get(dice.below(TOKENS.len())).unwrap();
            bytes.splice(from..from, token.iter().copied());
        }
        _ => {
            let other = others.get(dice.below(others.len())).unwrap();
            let start = dice.below(other.len() + 1);
            bytes.truncate(from);
            bytes.extend(other.get(start..).unwrap());
        }
    }
    bytes.truncate(LONGEST);
}

fn fuzz(target: &Target, dice: &mut Dice, goes_on: impl Fn(u64) -> bool) -> u64 {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
    let mut seeds: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    seeds.sort();
    let seeds: Vec<Vec<u8>> = seeds.into_iter().map(|path| fs::read(path).unwrap()).collect();
    let mut count = 0;
    while goes_on(count) {
        let mut bytes = seeds.get(dice.below(seeds.len())).unwrap().clone();
        for _ in 0..=dice.below(5) {
            change(&mut bytes, &seeds, dice);
        }
        let met = std::panic::catch_unwind(|| (target.run)(&bytes));
        assert!(met.is_ok(), "{} after {count}: {:?}", target.name, String::from_utf8_lossy(&bytes));
        count += 1;
    }
    count
}

#[test]
fn what_stands_near_the_corpus_is_met() {
    let seconds: Option<u64> = std::env::var("FUZZ_SECONDS").ok().map(|text| text.parse().unwrap());
    let seed = std::env::var("FUZZ_SEED").ok().map_or(1, |text| text.parse().unwrap());
    let only = std::env::var("FUZZ_TARGET").ok();
    for target in TARGETS.iter().filter(|target| only.as_ref().is_none_or(|only| only == target.name)) {
        let began = Instant::now();
        let time = seconds.map(Duration::from_secs);
        let count = fuzz(target, &mut Dice(seed), |count| match time {
            Some(time) => began.elapsed() < time,
            None => count < FEW,
        });
        println!("{:<12} {count:>10} inputs in {:.1?}", target.name, began.elapsed());
    }
}
