//! How badly the server and the host's own stores behave for a while.

use host_harness::simulator::{CutLength, Endpoint, Fault, RandomFault, RetryAfter, ScriptedFault, WrongLink};

use super::Realm;
use crate::dice::Dice;

/// How badly things go for a while.
#[derive(Clone, Debug, Default)]
pub struct Weather {
    /// At random rates.
    pub random: Vec<RandomFault>,
    /// From the next matching request on, for a number of them.
    pub bursts: Vec<ScriptedFault>,
    /// One in so many uses of a secret fails; 0: none.
    pub secrets_fail_one_in: u64,
    /// Answers that a fault changed say no time.
    pub faults_undated: bool,
}

const LISTS: [Endpoint; 3] = [Endpoint::AdminAudits, Endpoint::SecurityAudits, Endpoint::Events];

impl Weather {
    /// Nothing goes wrong.
    pub fn calm() -> Self {
        Self::default()
    }

    /// Whether nothing goes wrong.
    pub const fn is_calm(&self) -> bool {
        self.random.is_empty() && self.bursts.is_empty() && self.secrets_fail_one_in == 0
    }

    /// Something goes wrong.
    pub(super) fn bad(dice: &mut Dice, realm: Realm) -> Self {
        let mut weather = Self { faults_undated: dice.chance(1, 4), ..Self::default() };
        match dice.below(8) {
            0..=2 => {
                let faults = (0..dice.range(1, 8)).map(|_| fault(dice, realm)).collect();
                let rate = dice.of([0.02, 0.1, 0.1, 0.3]);
                weather.random.push(RandomFault { endpoint: None, rate, faults });
            }
            3 | 4 => {
                // An outage of one endpoint, or of all.
                let endpoint =
                    dice.of([None, Some(LISTS[0]), Some(LISTS[1]), Some(LISTS[2]), Some(Endpoint::AccessToken)]);
                weather.random.push(RandomFault { endpoint, rate: 1.0, faults: vec![fault(dice, realm)] });
            }
            5 => {
                // As many empty pages as collectors have taken for the end, or more.
                let endpoint = dice.of(LISTS);
                let times = dice.of([3, 19, 20, 25, 60]);
                weather.bursts.push(ScriptedFault::on(endpoint, Fault::EmptyPageWithNext).times(times));
            }
            6 => {
                let endpoint = dice.of(LISTS);
                let (nth, times) = (dice.of([1, 2, 5]), dice.of([1, 2, 3, 8, 30]));
                weather.bursts.push(ScriptedFault::on(endpoint, fault(dice, realm)).nth(nth).times(times));
            }
            _ => weather.secrets_fail_one_in = dice.of([2, 5, 20]),
        }
        weather
    }
}

/// One way in which a request fails. None of them hides an event from a list that ends: no collector could know. Those
/// that do are of the lying realm.
fn fault(dice: &mut Dice, realm: Realm) -> Fault {
    if realm == Realm::Lying && dice.chance(1, 4) {
        return dice.of([Fault::ItemsMissing, Fault::ItemsNull]);
    }
    match dice.below(24) {
        0 | 1 => Fault::TooManyRequests(retry_after(dice)),
        2 => Fault::Locked(retry_after(dice)),
        3..=5 => Fault::Status(dice.of([500, 502, 503, 408, 425, 599])),
        6 => Fault::Status(504),
        7 => Fault::Status(dice.of([400, 404, 410, 409, 418])),
        8 => Fault::Status(dice.of([401, 403, 451])),
        9 => Fault::HtmlPage,
        10 => Fault::ErrorAsSuccess,
        11 => Fault::Redirect("http://127.0.0.1:9/v1/elsewhere".to_owned()),
        12 => Fault::NoAnswer,
        13 | 14 => Fault::ResetBeforeAnswer,
        15 => Fault::ResetInBody,
        16 => Fault::CutBody(dice.of([CutLength::OfThePart, CutLength::OfTheWhole])),
        17 => Fault::InvalidJson,
        18 => Fault::EmptyPageWithNext,
        19 => Fault::SamePageNext,
        20 => Fault::NextLink(WrongLink::Target("https://webexapis.example.net/v1/events?cursor=1".to_owned())),
        21 => Fault::NextLink(dice.of([WrongLink::Loop, WrongLink::OtherScheme])),
        22 => Fault::NextLink(WrongLink::Garbage),
        _ => Fault::Slow(dice.of([1_000, 10_000, 29_000, 31_000, 90_000])),
    }
}

/// Every form of the header.
pub(super) fn retry_after(dice: &mut Dice) -> RetryAfter {
    match dice.below(8) {
        0 => RetryAfter::Seconds(0),
        1 => RetryAfter::Seconds(dice.of([1, 3, 5])),
        2 => RetryAfter::Seconds(dice.of([20, 60])),
        3 => RetryAfter::Seconds(3_600),
        4 => RetryAfter::DateIn(dice.of([-50, 0, 2, 90])),
        5 => RetryAfter::Text(dice.of(["rand(30),add(30)", "", "-1", "NaN", "1e300", "1.5", "soon"]).to_owned()),
        6 => RetryAfter::Seconds(999_999_999),
        _ => RetryAfter::Absent,
    }
}
