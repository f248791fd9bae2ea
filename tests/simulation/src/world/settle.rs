//! After everything that went wrong: the world settles, and collecting must end by itself with everything delivered.

use cisco_webex_plugin::failure::Code;
use cisco_webex_plugin::fetch::Next;

use super::World;
use super::host::After;
use crate::oracle::{Invariant, Violation};
use crate::scenario::{DAY, Deed, MINUTE, SECOND, Weather};

/// Calls that the end may take, in each of its rounds. Nine queries at twenty requests a minute took 2,490 of them (seed 358608):
/// their tails leave the backlog two requests a minute.
const MOST_CALLS: u32 = 3_000;

/// How long the end may take, in each of its rounds: the longest wait that is believed is a day, and what is set aside waits
/// six hours at most.
const LONGEST: i64 = 20 * DAY;

impl World<'_> {
    pub(super) fn settle(&mut self) -> Result<(), Violation> {
        self.trace.line(|| "SETTLE".to_owned());
        if !self.scenario.weather_stays {
            self.set_weather(Weather::calm());
        }
        self.deed(Deed::Ahead(0))?;
        self.deed(Deed::Licence(true))?;
        self.drain()?;
        // Until the last event is listed, then until the overlap is over.
        let listed = self.scenario.items.iter().map(|item| item.created + item.delay.max(0)).max().unwrap_or(self.now);
        let edge = self.knobs.lag * SECOND + MINUTE;
        self.pass((listed - self.now).max(0) + edge);
        self.drain()?;
        self.pass(self.knobs.overlap * SECOND + edge);
        self.drain()?;
        self.ledger.finish(&self.knobs, self.tenant.leaks().len())
    }

    /// Calls until the plugin says that there is nothing more.
    fn drain(&mut self) -> Result<(), Violation> {
        let begun = self.now;
        let spec = &self.scenario.settled;
        for _ in 0..MOST_CALLS {
            let after = self.call(spec, None)?;
            let dead = self.ledger.users_who_must_sign_in();
            for user in &dead {
                self.sign_in(*user)?;
            }
            let After::Recorded(next) = after else {
                return Err(Violation::new(Invariant::Host, "a call that nothing disturbs is not recorded"));
            };
            match next {
                Next::Now => {}
                _ if !dead.is_empty() => {}
                Next::Idle => {
                    return match self.ledger.failure_now().filter(|(_, code)| *code != Code::SignInNeeded) {
                        None => Ok(()),
                        Some((stream, code)) => {
                            let what = format!("{stream} ends with {} though everything works", code.name());
                            Err(Violation::new(Invariant::I8, what))
                        }
                    };
                }
                Next::NotBefore(time) => self.pass((time.as_millis() - self.local_now()).max(1)),
            }
            if self.now - begun > LONGEST {
                return Err(Violation::new(Invariant::I8, format!("it does not end within {} days", LONGEST / DAY)));
            }
        }
        Err(Violation::new(Invariant::I8, format!("it does not end within {MOST_CALLS} calls")))
    }
}
