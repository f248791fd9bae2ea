//! From one number to a world.

use cisco_webex_plugin::stream::{Stream, User};
use host_harness::simulator::{
    Bound, EmptyPage, LastPage, LinkLife, LinkStyle, LinkWindow, Order, Paging, RateLimit, ReplacedToken, Rotation,
    StreamSettings, TokenErrorShape, TokenSettings,
};

use super::weather::retry_after;
use super::{
    Beside, CallSpec, Crash, DAY, Deed, HOUR, Item, Kind, Knobs, MINUTE, Nature, SECOND, START, Scenario, Sink, Step,
    Store, Weather,
};
use crate::dice::Dice;

/// What servers do in these worlds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Realm {
    /// Everything that goes wrong, but a list that ends has been listed.
    Honest,
    /// Also answers that look like the end of a list and are not.
    Lying,
}

const RESOURCES: [&str; 3] = ["messages", "memberships", "rooms"];
const TYPES: [&str; 3] = ["created", "updated", "deleted"];

/// Which kinds of trouble there are in a world. Few in each, so that a failure can be understood; all together in some.
#[derive(Clone, Copy, Debug)]
struct Trouble {
    weather: bool,
    crashes: bool,
    sinks: bool,
    clocks: bool,
    tokens: bool,
    beside: bool,
    downtime: bool,
    knobs: bool,
    operator: bool,
    small: bool,
    links: bool,
    odd: bool,
    late: bool,
    rate: bool,
}

impl Trouble {
    fn draw(dice: &mut Dice) -> Self {
        let (part, whole) = dice.of([(0, 1), (1, 8), (1, 4), (1, 4), (1, 2), (3, 4)]);
        let mut coin = || dice.chance(part, whole);
        Self {
            weather: coin(),
            crashes: coin(),
            sinks: coin(),
            clocks: coin(),
            tokens: coin(),
            beside: coin(),
            downtime: coin(),
            knobs: coin(),
            operator: coin(),
            small: coin(),
            links: coin(),
            odd: coin(),
            late: coin(),
            rate: coin(),
        }
    }
}

impl Scenario {
    /// The world of this number.
    pub fn draw(seed: u64, realm: Realm) -> Self {
        // Neighbouring numbers must not make similar worlds.
        let dice = &mut Dice::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x5157_u64);
        let trouble = Trouble::draw(dice);
        let mut nature = nature(dice, trouble);
        let knobs = knobs(dice, trouble);
        if nature.rate_limit.is_some() {
            // What is read again in each round must fit into what is allowed.
            nature.lists.iter_mut().for_each(|list| list.page_items = list.page_items.filter(|items| *items >= 20));
        }
        let length = dice.of([0, 20 * MINUTE, 2 * HOUR, 12 * HOUR, 2 * DAY]);
        let items = items(dice, trouble, &knobs, length);
        nature.lists.iter_mut().zip(Stream::ALL).for_each(|(list, stream)| make_readable(list, stream, &items));
        nature.body_cap = (trouble.links && dice.chance(1, 3)).then(|| least_cap(&nature, &items));
        let steps = steps(dice, trouble, realm, &knobs, length);
        let settled = CallSpec {
            max_events: if trouble.small { dice.of([None, Some(3), Some(20)]) } else { None },
            ..CallSpec::plain()
        };
        Self { seed: dice.number(), nature, knobs, items, steps, settled, weather_stays: false }
    }
}

/// How long the shortest request is, with its edges, in ms.
const SHORTEST: i64 = 4 * SECOND;

/// What lies within the shortest request must fit on a page where links hardly work, and be given at once where a gateway
/// gives up: else nobody could read it.
fn make_readable(list: &mut StreamSettings, stream: Stream, items: &[Item]) {
    let times: Vec<i64> = items.iter().filter(|item| item.stream == stream).map(|item| item.created).collect();
    let around = |time: &i64| times.iter().filter(|other| (0..=SHORTEST).contains(&(**other - time))).count();
    let dense = times.iter().map(around).max().unwrap_or_default();
    list.slow_above_listed = list.slow_above_listed.map(|most| most.max(dense));
    if list.link_life != LinkLife::Unlimited {
        list.page_items = list.page_items.map(|most| most.max(dense));
    }
}

/// The smallest answer that every host must take, in bytes: ten of the largest items, which are asked for at least, or what stands
/// on one page because links hardly work.
fn least_cap(nature: &Nature, items: &[Item]) -> usize {
    let largest = items.iter().map(|item| item.raw().len()).max().unwrap_or_default();
    let has_links = nature.lists.iter().all(|list| list.link_life == LinkLife::Unlimited);
    let least = if has_links { LEAST_ASKED } else { items.len() };
    // The envelope, and a comma for each item.
    100 + least * (largest + 1)
}

/// Items that a page is asked for at least (`fetch::slice::LEAST_PAGE_AGAIN`).
const LEAST_ASKED: usize = 10;

fn nature(dice: &mut Dice, trouble: Trouble) -> Nature {
    let lists = [list(dice, trouble), list(dice, trouble), list(dice, trouble)];
    let dates = !dice.chance(1, 8);
    // Fewer than the queries of one round would let no collector come to an end.
    let (requests, per_ms) = dice.of([(5, SECOND), (20, MINUTE), (60, MINUTE)]);
    Nature {
        lists,
        tokens: tokens(dice, trouble),
        latency: dice.of([(0, 0), (5, 50), (50, 400), (100, 3_000)]),
        rate_limit: trouble.rate.then(|| RateLimit {
            requests,
            per_ms,
            retry_after: if dice.chance(1, 2) { None } else { Some(short_wait(dice)) },
        }),
        pro_pack: !dice.chance(1, 10),
        dates,
        ahead: if trouble.clocks && dates { ahead(dice) } else { 0 },
        service_app: dice.chance(1, 4),
        body_cap: None,
    }
}

/// A wait that lets a world end: one of an hour for each sixth request would take years.
fn short_wait(dice: &mut Dice) -> host_harness::simulator::RetryAfter {
    use host_harness::simulator::RetryAfter::{Seconds, Text};
    match retry_after(dice) {
        Seconds(seconds) if seconds > 60 => Seconds(20),
        Text(text) if text == "1e300" => Text("soon".to_owned()),
        other => other,
    }
}

fn ahead(dice: &mut Dice) -> i64 {
    dice.of([-HOUR, -5 * MINUTE, -20 * SECOND, 700, 20 * SECOND, 5 * MINUTE, HOUR])
}

fn list(dice: &mut Dice, trouble: Trouble) -> StreamSettings {
    let bound = |dice: &mut Dice| dice.of([Bound::Inclusive, Bound::Exclusive]);
    let link_life = match dice.below(6) {
        0 if trouble.links => LinkLife::Uses(1),
        1 | 2 if trouble.links => LinkLife::Millis(dice.of([0, 200, 2_000, 30_000, 10 * MINUTE])),
        _ => LinkLife::Unlimited,
    };
    // Where links hardly work, a page must not lead on without need: else nobody could read the list to its end.
    let last_page = if link_life == LinkLife::Unlimited {
        dice.of([LastPage::LinkWhenMore, LastPage::LinkWhenFull, LastPage::TrailingEmptyPage])
    } else {
        LastPage::LinkWhenMore
    };
    StreamSettings {
        order: dice.of([Order::NewestFirst, Order::OldestFirst]),
        from: bound(dice),
        to: bound(dice),
        paging: dice.of([Paging::Offset, Paging::ShiftingCursor, Paging::AnchoredCursor, Paging::SnapshotCursor]),
        last_page,
        link_window: dice.of([LinkWindow::Whole, LinkWindow::WithoutEnd, LinkWindow::Remembered]),
        link_style: dice.of(LinkStyle::ALL),
        link_life,
        // 200: an empty page without a link, like the end of a list. Where links die before anybody can follow them, nobody
        // could tell.
        expired_link_status: match link_life {
            LinkLife::Millis(..10_000) => dice.of([400, 404, 410]),
            _ => dice.of([200, 400, 404, 410]),
        },
        page_items: dice.of([None, Some(1), Some(3), Some(7), Some(20), Some(50)]),
        slow_above_listed: (trouble.links && dice.chance(1, 4)).then(|| dice.of([5, 40, 100])),
        empty_page: dice.of([EmptyPage::List, EmptyPage::Null, EmptyPage::Missing]),
        ..StreamSettings::newest_first()
    }
}

fn tokens(dice: &mut Dice, trouble: Trouble) -> TokenSettings {
    if !trouble.tokens && !trouble.beside {
        return TokenSettings::default();
    }
    TokenSettings {
        access_life_secs: dice.of([60, 300, 1_800, 43_200, 1_209_600]),
        refresh_life_secs: dice.of([7_776_000, 7_776_000, 5_086_594]),
        rotation: dice.of([Rotation::New, Rotation::New, Rotation::Same, Rotation::Omitted]),
        replaced: dice.of([ReplacedToken::KeepsWorking, ReplacedToken::Dies, ReplacedToken::RevokesAll]),
        refresh_renews_life: dice.chance(1, 2),
        same_access_within_secs: dice.of([0, 0, 30, 86_400]),
        error_shape: dice.of([TokenErrorShape::Webex, TokenErrorShape::OAuth]),
        invalid_grant_status: dice.of([400, 401]),
        ..TokenSettings::default()
    }
}

fn knobs(dice: &mut Dice, trouble: Trouble) -> Knobs {
    let (resources, types) = if dice.chance(1, 5) {
        (dice.some_of(&RESOURCES), if dice.chance(1, 3) { dice.some_of(&TYPES) } else { Vec::new() })
    } else {
        (Vec::new(), Vec::new())
    };
    Knobs {
        overlap: dice.of([1, 60, 600, 600, 7_200]),
        lag: dice.of([0, 5, 5, 60]),
        first_fetch: dice.of([0, 600, 86_400, 3 * 86_400, 10 * 86_400, 120 * 86_400]),
        max_fetch: if trouble.small { dice.of([1, 5, 30]) } else { 2_000 },
        security: dice.chance(2, 3),
        resources,
        types,
    }
}

fn items(dice: &mut Dice, trouble: Trouble, knobs: &Knobs, length: i64) -> Vec<Item> {
    let count = dice.of([8, 30, 80, 160, 240]);
    let back = knobs.first_fetch * SECOND;
    let mut items: Vec<Item> = Vec::new();
    let mut nulls = [false; 3];
    let mut created = START - 1;
    for number in 0..count {
        let tie = number > 0 && dice.chance(2, 5);
        if !tie {
            // Half in the past that is fetched first, half while the world goes on; some close to the one before.
            created = match dice.below(3) {
                0 => created + dice.range(0, 3 * SECOND),
                1 => START - dice.range(0, back),
                _ => START + dice.range(0, length + 10 * MINUTE),
            };
        }
        let stream = dice.of(Stream::ALL);
        let mut kind = if trouble.odd && dice.chance(1, 5) { dice.of(Kind::ODD) } else { Kind::Plain };
        if trouble.odd && dice.chance(1, 40) {
            let null = nulls.get_mut(super::place_of(stream));
            kind = if null.is_some_and(|had| !std::mem::replace(had, true)) { Kind::Null } else { Kind::Big };
        }
        let overlap = knobs.overlap * SECOND;
        let delay = match dice.below(4) {
            0 if trouble.late => dice.range(0, overlap),
            1 if trouble.late => overlap,
            2 if trouble.late && dice.chance(1, 4) => overlap + dice.range(1, 3 * overlap + HOUR),
            // Listed ahead of its own time.
            3 if trouble.odd && dice.chance(1, 6) => -dice.range(0, HOUR),
            _ => 0,
        };
        let place = if kind == Kind::OffsetTime { created.div_euclid(SECOND) * SECOND } else { created };
        let (resource, of_type) = (dice.of(RESOURCES), dice.of(TYPES));
        items.push(Item { number, stream, created: place, delay, kind, resource, of_type });
    }
    items
}

fn steps(dice: &mut Dice, trouble: Trouble, realm: Realm, knobs: &Knobs, length: i64) -> Vec<Step> {
    let count = dice.of([1, 4, 10, 20, 30]);
    let pace = (length / count).max(SECOND);
    let mut steps = Vec::new();
    let mut knobs = knobs.clone();
    for _ in 0..count {
        if trouble.weather && dice.chance(1, 4) {
            steps.push(Step::Weather(if dice.chance(1, 3) { Weather::calm() } else { Weather::bad(dice, realm) }));
        }
        if trouble.clocks && dice.chance(1, 6) {
            steps.push(Step::Ahead(if dice.chance(1, 3) { 0 } else { ahead(dice) }));
        }
        if trouble.tokens && dice.chance(1, 5) {
            steps.push(Step::Deed(deed(dice)));
        }
        if trouble.knobs && dice.chance(1, 6) {
            change(dice, &mut knobs);
            steps.push(Step::Knobs(knobs.clone()));
        }
        if trouble.operator && dice.chance(1, 8) {
            steps.push(operator(dice, trouble, &knobs));
        }
        steps.push(Step::Call(call(dice, trouble, &knobs)));
        if trouble.downtime && dice.chance(1, 6) {
            steps.push(Step::Pass(dice.of([10 * MINUTE, 3 * HOUR, DAY, 4 * DAY])));
        } else {
            steps.push(Step::Pass(dice.range(0, 2 * pace)));
        }
    }
    steps
}

fn deed(dice: &mut Dice) -> Deed {
    let user = dice.of(User::ALL);
    match dice.below(6) {
        0 => Deed::Revoke(user),
        1 => Deed::ExpireAccess(user),
        2 => Deed::ExpireRefresh(user),
        3 | 4 => Deed::SignIn(user),
        _ => Deed::Licence(dice.chance(1, 2)),
    }
}

fn change(dice: &mut Dice, knobs: &mut Knobs) {
    match dice.below(5) {
        0 => knobs.overlap = dice.of([1, 60, 600, 7_200]),
        1 => knobs.lag = dice.of([0, 5, 60, 600]),
        2 => knobs.max_fetch = dice.of([1, 20, 2_000]),
        3 => knobs.security = !knobs.security,
        _ => knobs.resources = if dice.chance(1, 3) { Vec::new() } else { dice.some_of(&RESOURCES) },
    }
}

fn operator(dice: &mut Dice, trouble: Trouble, knobs: &Knobs) -> Step {
    if dice.chance(1, 2) {
        let stream = if dice.chance(1, 2) { None } else { Some(dice.of(Stream::ALL)).filter(|s| knobs.is_on(*s)) };
        return Step::Reset(stream, dice.of([0, MINUTE, 30 * MINUTE, 5 * HOUR, 3 * DAY]));
    }
    let to = dice.of([0, MINUTE, HOUR]);
    let from = to + dice.of([SECOND, 10 * MINUTE, 6 * HOUR, 2 * DAY]);
    Step::ReRead { from, to, allow_repeats: dice.chance(1, 2), call: call(dice, trouble, knobs) }
}

fn call(dice: &mut Dice, trouble: Trouble, knobs: &Knobs) -> CallSpec {
    let small = trouble.small && dice.chance(1, 2);
    let mut meanwhile = Vec::new();
    if trouble.clocks && dice.chance(1, 6) {
        meanwhile.push((dice.range(0, 5 * SECOND), Deed::Ahead(ahead(dice))));
    }
    if trouble.tokens && dice.chance(1, 6) {
        let deed = deed(dice);
        let deed = if matches!(deed, Deed::SignIn(_)) { Deed::ExpireAccess(User::Admin) } else { deed };
        meanwhile.push((dice.range(0, 3 * SECOND), deed));
    }
    if trouble.downtime && dice.chance(1, 6) {
        meanwhile.push((dice.range(0, 3 * SECOND), Deed::Stop));
    }
    CallSpec {
        streams: if dice.chance(1, 6) {
            dice.some_of(&Stream::ALL).into_iter().filter(|stream| knobs.is_on(*stream)).collect()
        } else {
            Vec::new()
        },
        max_events: if small { dice.of([None, Some(1), Some(2), Some(7), Some(40)]) } else { None },
        max_bytes: if small { dice.of([None, None, Some(1), Some(2_000)]) } else { None },
        budget: if small { dice.of([None, Some(1), Some(1_000), Some(10 * SECOND)]) } else { None },
        crash: (trouble.crashes && dice.chance(1, 3)).then(|| Crash {
            effect: u32::try_from(dice.of([3, 12, 40, 150]))
                .map_or(0, |most: u32| u32::try_from(dice.below(u64::from(most))).unwrap_or_default()),
            done: dice.chance(1, 2),
        }),
        sink: if trouble.sinks {
            match dice.below(8) {
                0 => Sink::Fails,
                1 | 2 => Sink::Part(dice.of([0, 10, 50, 99, 100])),
                3 => Sink::Late(dice.of([SECOND, 5 * MINUTE, 2 * HOUR])),
                _ => Sink::Takes,
            }
        } else {
            Sink::Takes
        },
        store: if trouble.sinks && dice.chance(1, 6) { Store::Fails } else { Store::Replaces },
        beside: (trouble.beside && dice.chance(1, 2)).then(|| {
            let user = dice.of(User::ALL);
            let what = match dice.below(6) {
                0 => Beside::Check,
                1 => Beside::SignIn(user),
                _ => Beside::Test(user),
            };
            (dice.of([0, 0, 1, 100, 2_000]), what)
        }),
        meanwhile,
        interval: dice.of([SECOND, MINUTE, MINUTE, HOUR]),
    }
}
