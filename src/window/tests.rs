//! What a window promises, example by example and for any order of moves.

use proptest::prelude::*;

use super::slices::MOST_PENDING;
use super::*;

const fn at(secs: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + secs * 1_000)
}

impl Window {
    pub(crate) fn with_slices_of(self, slice: Span) -> Self {
        Self { slice, ..self }
    }

    pub(crate) fn forget_what_version_1_did_not_say(&mut self) {
        (self.settled, self.smaller, self.full_page) = (None, 0, 0);
        self.pending.iter_mut().for_each(|interval| interval.smaller = 0);
    }
}

fn ranges(window: &Window) -> Vec<(i64, i64, i64)> {
    let secs = |time: Timestamp| (time - at(0)).as_millis() / 1_000;
    window.pending().iter().map(|i| (secs(i.from), secs(i.owed), secs(i.to))).collect()
}

#[test]
fn the_watermark_stands_at_the_oldest_ground_that_is_owed() {
    let mut window = Window::begin(at(0));
    assert_eq!(window.watermark(), at(0));
    window.take_up(at(100), window.frontier() - Span::secs(10));
    assert_eq!((window.watermark(), window.frontier()), (at(0), at(100)));
    window.drained(0, Density::Usual);
    assert_eq!(window.watermark(), at(100));
}

#[test]
fn reading_the_overlap_again_does_not_move_the_watermark_back() {
    let mut window = Window::begin(at(0));
    window.take_up(at(100), window.frontier() - Span::secs(10));
    window.drained(0, Density::Usual);
    window.take_up(at(160), window.frontier() - Span::secs(10));
    assert_eq!(ranges(&window), [(90, 100, 160)]);
    assert_eq!(window.watermark(), at(100));
    assert!(window.halve(0));
    assert_eq!(ranges(&window), [(90, 100, 125), (125, 125, 160)]);
}

#[test]
fn half_of_an_overlap_owes_nothing_and_is_still_read() {
    let mut window = Window::begin(at(0));
    window.take_up(at(1_000), window.frontier() - Span::ZERO);
    window.drained(0, Density::Usual);
    window.take_up(at(1_010), window.frontier() - Span::secs(100));
    assert!(window.halve(0));
    assert_eq!(ranges(&window), [(900, 955, 955), (955, 1_000, 1_010)]);
    assert_eq!(window.watermark(), at(1_000));
}

#[test]
fn nothing_before_the_start_is_read_again() {
    let mut window = Window::begin(at(0));
    window.take_up(at(1), window.frontier() - Span::secs(600));
    assert_eq!(ranges(&window), [(0, 0, 1)]);
}

#[test]
fn a_clock_that_is_behind_the_frontier_takes_nothing_up() {
    let mut window = Window::begin(at(100));
    window.take_up(at(50), window.frontier() - Span::secs(10));
    assert_eq!((window.frontier(), window.pending().len()), (at(100), 0));
}

#[test]
fn the_newest_slice_is_cut_off_at_the_end_and_the_oldest_at_the_start() {
    let mut window = Window::begin(at(0)).with_slices_of(Span::days(1));
    window.take_up(at(7 * 86_400), window.frontier() - Span::ZERO);
    let newest = window.cut_newest(0);
    assert_eq!(ranges(&window)[newest], (6 * 86_400, 6 * 86_400, 7 * 86_400));
    window.drained(newest, Density::Usual);
    let oldest = window.cut_oldest(window.oldest(at(0), true).unwrap());
    assert_eq!(ranges(&window)[oldest], (0, 0, 86_400));
}

#[test]
fn slices_are_ten_minutes_at_first_and_twice_as_long_after_a_sparse_one() {
    let mut window = Window::begin(at(0));
    window.take_up(at(7 * 86_400), window.frontier() - Span::ZERO);
    let newest = window.cut_newest(0);
    assert_eq!(ranges(&window)[newest], (604_200, 604_200, 604_800));
    window.drained(newest, Density::Sparse);
    let oldest = window.cut_oldest(0);
    assert_eq!(ranges(&window)[oldest], (0, 0, 1_200));
    window.drained(oldest, Density::Usual);
    let oldest = window.cut_oldest(0);
    assert_eq!(ranges(&window)[oldest], (1_200, 1_200, 2_400));
}

#[test]
fn pages_say_how_much_longer_or_shorter_the_next_slices_are() {
    for (pages, minutes) in [(0, 40), (1, 40), (2, 20), (5, 20), (6, 10), (15, 10), (16, 5), (1_000, 5)] {
        let mut window = Window::begin(at(0));
        window.take_up(at(86_400), window.frontier() - Span::ZERO);
        let slice = window.cut_oldest(0);
        window.drained(slice, Density::of_pages(pages));
        let next = window.cut_oldest(0);
        assert_eq!(window.pending()[next].length(), Span::secs(minutes * 60), "{pages} pages");
    }
}

#[test]
fn dense_slices_that_were_read_side_by_side_make_the_next_ones_half_as_long_once() {
    let mut window = Window::begin(at(0));
    window.take_up(at(86_400), window.frontier() - Span::ZERO);
    for _ in 0..3 {
        let index = window.oldest(at(0), true).unwrap();
        let slice = window.cut_oldest(index);
        window.begin_work(slice).unwrap();
    }
    for _ in 0..3 {
        window.drained(0, Density::Dense);
    }
    let oldest = window.cut_oldest(0);
    assert_eq!(ranges(&window)[oldest], (1_800, 1_800, 2_100));
}

#[test]
fn a_begun_interval_is_not_cut() {
    let mut window = Window::begin(at(0));
    window.take_up(at(7 * 86_400), window.frontier() - Span::ZERO);
    window.advance(
        0,
        Cursor { link: String::new(), asked: (at(0), at(1)), visited: vec![], empty: 0, after_short: false },
    );
    assert_eq!((window.cut_newest(0), window.pending().len()), (0, 1));
}

#[test]
fn what_the_origins_clock_has_not_reached_is_given_back() {
    let mut window = Window::begin(at(0));
    window.take_up(at(100), window.frontier() - Span::ZERO);
    assert!(window.prove(Some(at(40))));
    assert_eq!((window.frontier(), ranges(&window)), (at(40), vec![(0, 0, 40)]));
    assert!(window.prove(Some(at(10))), "it was heard before");
    assert_eq!(window.frontier(), at(40));
    window.take_up(at(100), window.frontier() - Span::secs(10));
    assert!(!window.prove(Some(at(20))));
    assert_eq!((window.frontier(), ranges(&window)), (at(40), vec![(0, 0, 40), (30, 40, 40)]));
    assert_eq!(window.watermark(), at(0));
}

#[test]
fn what_was_left_to_a_tail_that_is_given_back_is_still_read() {
    let mut window = Window::begin(at(0));
    window.take_up(at(1_000), window.frontier() - Span::ZERO);
    window.drained(0, Density::Usual);
    window.take_up(at(1_060), window.frontier() - Span::secs(600));
    window.take_up(at(1_120), window.frontier() - Span::secs(600));
    assert!(!window.prove(Some(at(1_000))));
    window.take_up(at(1_130), window.frontier() - Span::secs(1));
    assert_eq!(ranges(&window)[0], (400, 460, 460));
    assert!(ranges(&window).contains(&(460, 1_059, 1_059)), "{:?}", ranges(&window));
}

#[test]
fn time_that_is_given_up_is_a_gap() {
    let mut window = Window::begin(at(0));
    window.take_up(at(100), window.frontier() - Span::ZERO);
    let gaps = window.clamp(at(30), "too old");
    assert_eq!(gaps, [Gap { from: at(0), to: at(30), reason: "too old".to_owned() }]);
    assert_eq!((ranges(&window), window.watermark()), (vec![(30, 30, 100)], at(30)));
    assert_eq!(window.clamp(at(200), "older").len(), 1);
    assert_eq!((window.pending().len(), window.watermark()), (0, at(100)));
    assert!(window.clamp(at(200), "again").is_empty());
}

#[test]
fn a_quarantined_interval_waits_longer_each_time_and_stays_owed() {
    let mut window = Window::begin(at(0));
    window.take_up(at(2), window.frontier() - Span::ZERO);
    assert_eq!(window.quarantine(0, at(10), "unreadable"), at(70));
    assert_eq!((window.oldest(at(69), true), window.oldest(at(70), true)), (None, Some(0)));
    assert_eq!(window.quarantine(0, at(70), "unreadable"), at(70 + 120));
    for _ in 0..100 {
        window.quarantine(0, at(100), "unreadable");
    }
    assert_eq!(window.quarantine(0, at(100), "unreadable"), at(100 + 6 * 3_600));
    assert_eq!(window.watermark(), at(0));
}

#[test]
fn a_clock_that_was_ahead_at_the_beginning_is_put_right() {
    let mut window = Window::begin(at(3_600));
    window.take_up(at(3_700), window.frontier() - Span::secs(10));
    assert!(!window.prove(Some(at(90))), "another request is needed");
    assert_eq!((window.frontier(), ranges(&window)), (at(90), vec![(-10, -10, 90)]));
    assert!(window.verify().is_ok());
}

#[test]
fn what_the_next_interval_reads_again_is_left_to_it() {
    let mut window = Window::begin(at(0));
    window.take_up(at(1_000), window.frontier() - Span::ZERO);
    window.drained(0, Density::Usual);
    window.take_up(at(1_060), window.frontier() - Span::secs(600));
    window.take_up(at(1_120), window.frontier() - Span::secs(600));
    assert_eq!(ranges(&window), [(400, 460, 460), (1_000, 1_000, 1_060), (460, 1_060, 1_120)]);
    assert_eq!(window.watermark(), at(1_000));
}

#[test]
fn intervals_that_merge_owe_no_more_than_before() {
    let mut window = Window::begin(at(0));
    window.take_up(at(10_000), window.frontier() - Span::ZERO);
    window.drained(0, Density::Usual);
    window.take_up(at(10_010), window.frontier() - Span::secs(9_000));
    while window.pending().len() <= MOST_PENDING {
        let longest = (0..window.pending().len()).max_by_key(|i| window.pending()[*i].length()).unwrap();
        assert!(window.halve(longest));
    }
    let cursor = Cursor { link: String::new(), asked: (at(0), at(1)), visited: vec![], empty: 0, after_short: false };
    (0..window.pending().len()).for_each(|i| window.advance(i, cursor.clone()));
    window.take_up(at(10_020), window.frontier() - Span::ZERO);
    assert_eq!((window.pending().len(), window.watermark()), (MOST_PENDING, at(10_000)));
}

#[test]
fn a_reset_collects_again_from_there_and_reports_what_it_skips() {
    let mut window = Window::begin(at(0));
    window.take_up(at(100), window.frontier() - Span::ZERO);
    assert_eq!(window.clone().reset(at(-50)), []);
    let gaps = window.reset(at(200));
    assert_eq!(gaps.iter().map(|g| (g.from, g.to)).collect::<Vec<_>>(), [(at(0), at(200))]);
    assert_eq!((window.watermark(), window.frontier()), (at(200), at(200)));
}

#[test]
fn a_request_is_wider_than_its_interval_and_never_empty() {
    let interval = Interval::new(at(10), at(10), at(20));
    assert_eq!(interval.bounds(at(1_000)), (at(9), at(21)));
    assert_eq!(interval.bounds(at(20)), (at(9), at(20)));
    assert_eq!(interval.bounds(at(0)), (at(9), at(20)));
}

#[test]
fn a_query_that_replaces_several_owes_what_any_of_them_owes() {
    let mut ahead = Window::begin(at(0));
    ahead.take_up(at(100), ahead.frontier() - Span::ZERO);
    let mut behind = Window::begin(at(0));
    behind.take_up(at(50), behind.frontier() - Span::ZERO);
    behind.drained(0, Density::Usual);
    let merged = Window::merged([&ahead, &behind]).unwrap();
    assert_eq!((merged.frontier(), ranges(&merged)), (at(50), vec![(0, 0, 50)]));
}

#[test]
fn a_query_that_replaces_one_that_has_collected_is_not_begun_anew() {
    let mut ahead = Window::begin(at(0));
    ahead.take_up(at(100), ahead.frontier());
    ahead.drained(0, Density::Usual);
    let merged = Window::merged([&ahead, &Window::begin(at(0))]).unwrap();
    assert_eq!((merged.start(), merged.frontier(), merged.is_fresh()), (at(0), at(0), false));
    assert!(Window::merged([&Window::begin(at(0))]).unwrap().is_fresh());
}

/// Everything that an engine does to a window, in any order.
#[derive(Clone, Debug)]
enum Move {
    TakeUp(i64),
    CutNewest,
    CutOldest,
    Halve(usize),
    Quarantine(usize),
    Drain(usize),
}

fn a_move() -> impl Strategy<Value = Move> {
    prop_oneof![
        (-100_i64..200_000).prop_map(Move::TakeUp),
        Just(Move::CutNewest),
        Just(Move::CutOldest),
        (0_usize..20).prop_map(Move::Halve),
        (0_usize..20).prop_map(Move::Quarantine),
        (0_usize..20).prop_map(Move::Drain),
    ]
}

proptest! {
    #[test]
    fn no_ground_is_lost_and_the_watermark_never_goes_back(moves in proptest::collection::vec(a_move(), 0..400)) {
        let mut window = Window::begin(at(0));
        let mut drained: Vec<(Timestamp, Timestamp)> = Vec::new();
        let mut clock = 0;
        for step in moves {
            let before = (window.watermark(), window.frontier());
            match step {
                Move::TakeUp(by) => {
                    clock += by;
                    window.take_up(at(clock), window.frontier() - Span::secs(600));
                }
                Move::CutNewest => { window.newest().map(|i| window.cut_newest(i)); }
                Move::CutOldest => { window.oldest(Timestamp::MAX, true).map(|i| window.cut_oldest(i)); }
                Move::Halve(i) => { window.halve(i); }
                Move::Quarantine(i) => { window.quarantine(i, at(clock), "test"); }
                Move::Drain(i) => {
                    if let Some(interval) = window.interval(i) {
                        drained.push((interval.from, interval.to));
                        window.drained(i, if i % 2 == 0 { Density::Sparse } else { Density::Usual });
                    }
                }
            }
            prop_assert!(window.verify().is_ok(), "{window:?}");
            prop_assert!(window.watermark() >= before.0 && window.frontier() >= before.1);
            prop_assert!(window.watermark() <= window.frontier());
            prop_assert!(window.pending().len() <= MOST_PENDING);
        }
        // Each second before the frontier was drained, or is in an interval that is owed.
        let covered = |time: Timestamp| {
            drained.iter().any(|(from, to)| *from <= time && time < *to)
                || window.pending().iter().any(|i| i.owed <= time && time < i.to)
        };
        let mut time = at(0);
        while time < window.frontier() {
            prop_assert!(covered(time), "{time} is lost");
            if time < window.watermark() {
                prop_assert!(drained.iter().any(|(from, to)| *from <= time && time < *to));
            }
            time = time + Span::secs(997);
        }
    }
}

#[test]
fn a_reset_beyond_what_would_be_read_again_is_a_gap_from_there_on() {
    let mut window = Window::begin(at(0));
    window.take_up(at(10_000), at(0));
    window.prove(None);
    window.settle(Span::secs(600), at(0));
    window.drained(0, Density::Usual);
    assert_eq!(window.reset(at(9_900)).iter().map(|g| (g.from, g.to)).collect::<Vec<_>>(), [(at(9_400), at(9_900))]);
}

#[test]
fn near_rereads_and_one_when_it_is_as_old_as_the_overlap_leave_nothing_out() {
    let overlap = Span::secs(600);
    let mut window = Window::begin(at(0));
    // How often each second was read: once new, once near, once at last, when it was as old as the overlap.
    let mut reads = vec![Vec::new(); 4_000];
    for now in (60..4_000).step_by(60) {
        let again = window.frontier() - Span::secs(60);
        let read_from = window.take_up(at(now), again).unwrap();
        window.prove(None);
        window.settle(overlap, read_from);
        while let Some(interval) = window.interval(0).cloned() {
            for second in (interval.from - at(0)).as_millis() / 1_000..(interval.to - at(0)).as_millis() / 1_000 {
                reads[usize::try_from(second).unwrap()].push(now);
            }
            window.drained(0, Density::Usual);
        }
    }
    for (second, times) in reads.iter().enumerate().take(3_000) {
        let last = i64::try_from(second).unwrap() + 600;
        assert!(times.iter().any(|now| *now >= last), "{second} was last read at {times:?}");
        assert!(times.len() <= 3, "{second} was read at {times:?}");
    }
}

#[test]
fn what_is_begun_keeps_its_page_in_hand_when_others_merge() {
    let mut window = Window::begin(at(0));
    for n in 0..400 {
        window.take_up(at(100 * (n + 1)), window.frontier());
        if n == 3 {
            let cursor = Cursor {
                link: "page".to_owned(),
                asked: (at(0), at(1)),
                visited: vec![],
                empty: 0,
                after_short: false,
            };
            window.advance(1, cursor);
        }
        window.pending.iter_mut().for_each(|interval| interval.failed = 1);
    }
    assert!(window.pending().len() <= MOST_PENDING);
    assert!(window.pending().iter().any(|interval| interval.cursor.is_some()));
}
