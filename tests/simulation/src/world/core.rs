//! The core itself, as futures whose effects are carried out one by one.

use cisco_webex_plugin::effect::{Answer, Effect};

use super::World;
use super::agenda::Agenda;
use super::job::{Happening, Job};
use super::task::{Ended, Plan};
use crate::oracle::{Invariant, Violation};
use crate::scenario::{Deed, START};

impl World<'_> {
    pub(super) fn drive_core(&mut self, plans: Vec<Plan>, deeds: &[(i64, Deed)]) -> Result<Vec<Ended>, Violation> {
        let jobs = plans.into_iter().map(|plan| (plan.start, self.job(plan)));
        let mut jobs: Vec<(i64, Job)> = jobs.collect();
        self.drive_jobs(&mut jobs, deeds)?;
        let ended = jobs.into_iter().map(|(_, job)| Ended {
            name: job.name,
            at: job.ended,
            outcome: job.outcome,
            crashed: job.crashed,
        });
        Ok(ended.collect())
    }

    /// Drives runs side by side, each begun so many ms after now, until all are over.
    fn drive_jobs(&mut self, jobs: &mut [(i64, Job)], deeds: &[(i64, Deed)]) -> Result<(), Violation> {
        enum Due {
            Job(usize, Happening),
            Deed(Deed),
        }
        let mut agenda = Agenda::default();
        for (index, (start, _)) in jobs.iter().enumerate() {
            agenda.plan(self.now + start, Due::Job(index, Happening::Begin));
        }
        for (at, deed) in deeds {
            agenda.plan(self.now + at, Due::Deed(*deed));
        }
        while let Some((at, due)) = agenda.pop() {
            let is_over = jobs.iter().all(|(_, job)| job.run.is_none());
            if !is_over && at > self.now {
                self.now = at;
                self.clock.set(at);
            }
            let (index, happening) = match due {
                Due::Deed(deed) => {
                    self.meanwhile(deed, is_over)?;
                    continue;
                }
                Due::Job(index, happening) => (index, happening),
            };
            let Some((_, job)) = jobs.get_mut(index) else { continue };
            match happening {
                Happening::Begin => job.begun = self.now,
                Happening::Arrives(ticket, request, sent) => {
                    let (due, served) = self.serve(job.name, &request, sent);
                    let answer = Answer::Http(served.into_result());
                    agenda.plan(due, Due::Job(index, Happening::Answered(ticket, answer)));
                    continue;
                }
                Happening::Secret(ticket, effect) => {
                    let answer = self.secret(job.name, effect);
                    if !job.answer(ticket, answer) {
                        continue;
                    }
                }
                Happening::Answered(ticket, answer) => {
                    if !job.answer(ticket, answer) {
                        continue;
                    }
                }
            }
            let moment = self.moment(job.begun);
            for (ticket, effect) in job.turn(moment) {
                let (at, happening) = match effect {
                    Effect::Http(request) => {
                        let (low, high) = self.scenario.nature.latency;
                        (self.now + self.dice.range(low, high) / 2, Happening::Arrives(ticket, request, self.now))
                    }
                    Effect::Sleep(span) => {
                        self.trace.line(|| format!("{:>8} {} sleeps {span}", self.now - START, job.name));
                        (self.now + span.as_millis(), Happening::Answered(ticket, Answer::Slept))
                    }
                    secret => (self.now + self.dice.range(0, 2), Happening::Secret(ticket, secret)),
                };
                agenda.plan(at, Due::Job(index, happening));
            }
            if job.run.is_none() {
                job.ended = self.now;
            }
            Self::too_many(job.name, job.asked)?;
        }
        for (_, job) in jobs.iter() {
            if job.run.is_some() {
                return Err(Violation::new(Invariant::I8, format!("{} waits for nothing", job.name)));
            }
        }
        Ok(())
    }
}
