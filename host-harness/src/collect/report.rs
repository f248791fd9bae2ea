//! The completeness report: what a round, a re-audit or a run came to, a line a stream for people, and as JSON.

use std::time::Duration;

use serde_json::{Value, json};

use super::totals::{Lateness, StreamTotal, Totals};
use super::{End, Round, RoundEnd, What};
use crate::courier::{Condition, Standing};
use crate::runtime::{Failure, in_words, time};

/// A line for each stream, in columns.
pub fn lines(totals: &Totals) -> Vec<String> {
    columns(totals, line)
}

fn columns(totals: &Totals, line: impl Fn(&StreamTotal) -> String) -> Vec<String> {
    let width = totals.streams.keys().map(String::len).max().unwrap_or(0);
    totals.streams.iter().map(|(name, stream)| format!("{name:width$}  {}", line(stream))).collect()
}

/// What a re-audit came to: a line for all, and one for each stream.
pub fn re_audit_lines(round: &Round) -> Vec<String> {
    let What::ReAudit(re_audit) = &round.what else { return lines(&round.totals) };
    let delivered = round.totals.delivered();
    let stretch = format!("re-audit of {} to {}", time(re_audit.stretch.from), time(re_audit.stretch.to));
    let found = if re_audit.allow_repeats {
        format!("{}, some of them maybe again", count(delivered, "event"))
    } else {
        format!("{} that the first reading had missed", count(delivered, "event"))
    };
    let end = match &round.end {
        RoundEnd::Ended(End::Idle) => String::new(),
        RoundEnd::Ended(End::Stopped) => "; stopped before its end".to_owned(),
        RoundEnd::Ended(End::NotBefore(at)) => {
            format!("; given up before its end, the rest had to wait until {}", time(*at))
        }
        RoundEnd::Ended(End::Full) => "; given up before its end, the spool is full".to_owned(),
        RoundEnd::Ended(End::Stuck) => "; given up before its end, calls brought nothing new".to_owned(),
        RoundEnd::Failed { text, .. } => format!("; failed: {text}"),
    };
    let mut all = vec![format!("{stretch}: {found}{end}")];
    // Where the stream stands is the rounds' to say.
    let line = |stream: &StreamTotal| done(stream).join(", ") + &trouble(stream);
    all.extend(columns(&round.totals, line).into_iter().map(|line| format!("  {line}")));
    all
}

/// A line for each sink behind the spool.
pub fn sink_lines(standings: &[Standing]) -> Vec<String> {
    let width = standings.iter().map(|standing| standing.name.as_str().len()).max().unwrap_or(0);
    let line = |standing: &Standing| {
        let mut words = vec![format!("{} acknowledged", count(standing.acknowledged, "event"))];
        if standing.known > 0 {
            words.push(format!("{} of them there before", standing.known));
        }
        if standing.waiting > 0 {
            words.push(format!("{} waiting", standing.waiting));
        }
        if standing.dead_letters > 0 {
            words.push(format!("{} refused, see `webex-collector deadletter list`", standing.dead_letters));
        }
        let trouble = standing.trouble().map(|trouble| format!("; {trouble}")).unwrap_or_default();
        format!("sink {:width$}  {}{trouble}", standing.name.as_str(), words.join(", "))
    };
    standings.iter().map(line).collect()
}

/// The same as JSON.
fn sinks_as_json(standings: &[Standing]) -> Value {
    let sink = |standing: &Standing| {
        let (state, since) = match &standing.condition {
            Condition::Fine => ("fine", None),
            Condition::Failing { since, .. } => ("failing", Some(*since)),
            Condition::Closed { since, .. } => ("closed", Some(*since)),
        };
        let value = json!({
            "place": standing.place,
            "state": state,
            "since": since.map(time),
            "reason": standing.trouble(),
            "acknowledged": standing.acknowledged,
            "known": standing.known,
            "waiting": standing.waiting,
            "dead_letters": standing.dead_letters,
            "last_acknowledged": standing.last_acknowledged.map(time),
        });
        (standing.name.to_string(), value)
    };
    standings.iter().map(sink).collect::<serde_json::Map<_, _>>().into()
}

/// What one stream came to, and where it stands.
pub fn line(stream: &StreamTotal) -> String {
    let mut words = done(stream);
    if let Some(watermark) = stream.watermark {
        words.push(format!("complete up to {}", time(watermark)));
    }
    if let Some(lag) = stream.lag_ms {
        words.push(format!("lag {}", span(lag)));
    }
    words.join(", ") + &trouble(stream)
}

/// What was done. What is nought is left out, but for what an operator looks for.
fn done(stream: &StreamTotal) -> Vec<String> {
    let mut words = vec![format!("{} of {} listed", count(stream.delivered, "event"), stream.listed)];
    let mut add = |number: u64, what: String| {
        if number > 0 {
            words.push(what);
        }
    };
    add(stream.repeated, format!("{} seen before", stream.repeated));
    add(stream.late, late(stream.late, &stream.lateness));
    add(stream.odd, format!("{} not as documented", stream.odd));
    add(1, format!("{} drained", count(stream.drained, "slice")));
    add(u64::from(stream.pending), format!("{} pending", count(stream.pending.into(), "interval")));
    add(1, count(stream.requests, "request"));
    add(stream.retries, format!("{} of them repeated", stream.retries));
    add(stream.waited_ms, format!("waited {}", span(stream.waited_ms)));
    words
}

/// What was not done, or nothing.
fn trouble(stream: &StreamTotal) -> String {
    let mut text = String::new();
    if !stream.gaps.is_empty() {
        text.push_str(&format!("; {} not collected", count(stream.gaps.len() as u64, "gap")));
    }
    if let Some(failure) = &stream.failure {
        text.push_str(&format!("; failed: {}", failure.code));
    }
    text
}

/// `12 listed late (9 within 1m, 3 within 10m)`.
fn late(events: u64, lateness: &Lateness) -> String {
    let mut classes = Vec::new();
    let (mut known, mut longest) = (0_u64, None);
    for (up_to, events) in lateness.classes() {
        known = known.saturating_add(events);
        if events > 0 {
            classes.push(match (up_to, longest) {
                (Some(up_to), _) => format!("{events} within {}", span(up_to)),
                (None, Some(longest)) => format!("{events} after more than {}", span(longest)),
                (None, None) => format!("{events} at any age"),
            });
        }
        longest = up_to.or(longest);
    }
    let unknown = events.saturating_sub(known);
    if unknown > 0 {
        classes.push(format!("{unknown} of unknown age"));
    }
    format!("{events} listed late ({})", classes.join(", "))
}

/// `1 event`, `2 events`.
fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// A length of time to two units; below a second in milliseconds.
fn span(millis: u64) -> String {
    let time = if millis < 1_000 { Duration::from_millis(millis) } else { Duration::from_secs((millis + 500) / 1_000) };
    let whole = humantime::format_duration(time).to_string();
    whole.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// A whole run: how it ended, none if by an error, its rounds in sum, and its re-audit if there was one.
pub fn run_as_json(totals: &Totals, end: Option<&End>, re_audit: Option<&Round>, sinks: &[Standing]) -> Value {
    let mut value = json!({
        "what": "run",
        "end": end.map_or("failed", end_name),
        "reaudit": re_audit.map(as_json),
    });
    merge(&mut value, totals_as_json(totals));
    if !sinks.is_empty() {
        merge(&mut value, json!({"sinks": sinks_as_json(sinks)}));
    }
    value
}

/// A round or a re-audit.
pub fn as_json(round: &Round) -> Value {
    let (end, failure) = match &round.end {
        RoundEnd::Ended(end) => (end_name(end), None),
        RoundEnd::Failed { code, text } => ("failed", Some(json!({"code": code, "message": text}))),
    };
    let mut value = match &round.what {
        What::Collect => json!({"what": "round"}),
        What::ReAudit(re_audit) => json!({
            "what": "reaudit",
            "from": time(re_audit.stretch.from),
            "to": time(re_audit.stretch.to),
            "allow_repeats": re_audit.allow_repeats,
        }),
    };
    let of_the_round = json!({"began": time(round.began), "ended": time(round.ended), "end": end, "failure": failure});
    merge(&mut value, of_the_round);
    merge(&mut value, totals_as_json(&round.totals));
    value
}

fn merge(value: &mut Value, more: Value) {
    if let (Value::Object(value), Value::Object(more)) = (value, more) {
        value.extend(more);
    }
}

fn end_name(end: &End) -> &'static str {
    match end {
        End::Idle => "idle",
        End::Stopped => "stopped",
        End::NotBefore(_) => "not-before",
        End::Full => "spool-full",
        End::Stuck => "stuck",
    }
}

fn totals_as_json(totals: &Totals) -> Value {
    let streams = totals.streams.iter().map(|(name, stream)| (name.clone(), stream_as_json(stream)));
    json!({
        "delivered": totals.delivered(),
        "calls": totals.calls,
        "streams": streams.collect::<serde_json::Map<_, _>>(),
    })
}

fn stream_as_json(stream: &StreamTotal) -> Value {
    let lateness = stream.lateness.classes().map(|(up_to, events)| json!({"up_to_ms": up_to, "events": events}));
    let gaps = stream.gaps.iter().map(|gap| json!({"from": time(gap.from), "to": time(gap.to), "reason": gap.reason}));
    let warnings = stream
        .warnings
        .values()
        .map(|warning| json!({"code": warning.code, "message": warning.text, "remedy": warning.remedy}));
    let failure = |failure: &Failure| {
        json!({
            "code": failure.code,
            "message": failure.message,
            "remedy": failure.remedy,
            "tracking_id": failure.tracking_id,
            "text": in_words(failure),
        })
    };
    json!({
        "listed": stream.listed,
        "delivered": stream.delivered,
        "repeated": stream.repeated,
        "late": stream.late,
        "lateness": lateness.collect::<Vec<_>>(),
        "odd": stream.odd,
        "drained": stream.drained,
        "requests": stream.requests,
        "retries": stream.retries,
        "waited_ms": stream.waited_ms,
        "lag_ms": stream.lag_ms,
        "watermark": stream.watermark.map(time),
        "frontier": stream.frontier.map(time),
        "pending": stream.pending,
        "gaps": gaps.collect::<Vec<_>>(),
        "warnings": warnings.collect::<Vec<_>>(),
        "failure": stream.failure.as_ref().map(failure),
    })
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "tests fail by panicking")]
mod tests {
    use super::*;
    use crate::collect::re_audit::sample::re_audit;
    use crate::collect::totals::sample;
    use crate::runtime::{Gap, Lateness as Class, Report, Warning};

    fn total(report: Report) -> StreamTotal {
        let mut totals = Totals { calls: 1, ..Totals::default() };
        totals.add(&[report]);
        totals.streams.remove("events").unwrap_or_default()
    }

    fn full() -> Report {
        let class = |up_to_ms, events| Class { up_to_ms, events };
        Report {
            listed: 240,
            delivered: 120,
            repeated: 120,
            late: 15,
            lateness: vec![
                class(Some(60_000), 9),
                class(Some(300_000), 0),
                class(Some(600_000), 3),
                class(Some(86_400_000), 0),
                class(None, 2),
            ],
            odd: 1,
            requests: 14,
            retries: 2,
            waited_ms: 3_200,
            drained: 3,
            pending: 1,
            gaps: vec![Gap { from: 0, to: 1_000, reason: "out of reach".into() }],
            warnings: vec![Warning { code: "clock-skew".into(), text: "ahead".into(), remedy: "set it".into() }],
            failure: Some(sample::failure("refused")),
            ..sample::report()
        }
    }

    fn round(what: What, end: RoundEnd, report: Report) -> Round {
        let mut totals = Totals { calls: 1, ..Totals::default() };
        totals.add(&[report]);
        Round { what, began: 0, ended: 1_500, totals, end }
    }

    #[test]
    fn a_quiet_line_says_what_an_operator_looks_for_and_no_more() {
        assert_eq!(
            line(&total(sample::report())),
            "0 events of 0 listed, 1 slice drained, 1 request, complete up to 2025-12-31T23:59:55.000Z, lag 5s"
        );
    }

    #[test]
    fn a_full_line_says_all_that_is_not_nought() {
        assert_eq!(
            line(&total(full())),
            "120 events of 240 listed, 120 seen before, 15 listed late (9 within 1m, 3 within 10m, 2 after more than \
             1day, 1 of unknown age), 1 not as documented, 3 slices drained, 1 interval pending, 14 requests, 2 of them \
             repeated, waited 3s, complete up to 2025-12-31T23:59:55.000Z, lag 5s; 1 gap not collected; failed: refused"
        );
    }

    #[test]
    fn lines_stand_in_columns() {
        let mut totals = Totals::default();
        totals.add(&[sample::report(), Report { stream: "admin_audits".into(), ..sample::report() }]);
        let lines = lines(&totals);
        assert!(lines[0].starts_with("admin_audits  0 events") && lines[1].starts_with("events        0 events"));
    }

    #[test]
    fn a_length_of_time_has_two_units_at_most() {
        for (millis, want) in
            [(0, "0s"), (999, "999ms"), (1_499, "1s"), (65_000, "1m 5s"), (3_600_000, "1h"), (90_061_000, "1day 1h")]
        {
            assert_eq!(span(millis), want);
        }
    }

    #[test]
    fn a_re_audit_says_how_many_the_first_reading_had_missed() {
        let found = Report { listed: 9, delivered: 1, late: 1, repeated: 8, ..sample::report() };
        let done = round(What::ReAudit(re_audit(false)), RoundEnd::Ended(End::Idle), found.clone());
        let lines = re_audit_lines(&done);
        let head = "re-audit of 2026-01-01T00:00:00.000Z to 2026-01-01T01:00:00.000Z: ";
        assert_eq!(lines[0], format!("{head}1 event that the first reading had missed"));
        let want = "  events  1 event of 9 listed, 8 seen before, 1 listed late (1 of unknown age), 1 slice drained, 1 request";
        assert_eq!(lines[1], want);

        let again = round(What::ReAudit(re_audit(true)), RoundEnd::Ended(End::Stopped), found.clone());
        assert_eq!(
            re_audit_lines(&again)[0],
            format!("{head}1 event, some of them maybe again; stopped before its end")
        );
        let failed = RoundEnd::Failed { code: "x".into(), text: "the plugin broke off".into() };
        let failed = round(What::ReAudit(re_audit(false)), failed, found);
        assert!(re_audit_lines(&failed)[0].ends_with("; failed: the plugin broke off"));
    }

    #[test]
    fn the_json_of_a_round_holds_every_number_of_the_line() {
        let value = as_json(&round(What::Collect, RoundEnd::Ended(End::Idle), full()));
        assert_eq!((&value["what"], &value["end"], &value["failure"]), (&json!("round"), &json!("idle"), &json!(null)));
        assert_eq!((&value["began"], &value["calls"]), (&json!("1970-01-01T00:00:00.000Z"), &json!(1)));
        let stream = &value["streams"]["events"];
        for (name, want) in [
            ("listed", 240),
            ("delivered", 120),
            ("repeated", 120),
            ("late", 15),
            ("odd", 1),
            ("drained", 3),
            ("requests", 14),
            ("retries", 2),
            ("waited_ms", 3_200),
            ("lag_ms", 5_034),
            ("pending", 1),
        ] {
            assert_eq!(stream[name], json!(want), "{name}");
        }
        assert_eq!(stream["watermark"], json!("2025-12-31T23:59:55.000Z"));
        assert_eq!(stream["lateness"][0], json!({"up_to_ms": 60_000, "events": 9}));
        assert_eq!(stream["lateness"][4], json!({"up_to_ms": null, "events": 2}));
        assert_eq!(stream["gaps"][0]["reason"], json!("out of reach"));
        assert_eq!(stream["warnings"], json!([{"code": "clock-skew", "message": "ahead", "remedy": "set it"}]));
        assert_eq!(stream["failure"]["code"], json!("refused"));
    }

    #[test]
    fn the_json_of_a_run_holds_its_re_audit() {
        let failed = RoundEnd::Failed { code: "x".into(), text: "y".into() };
        let re_audit = round(What::ReAudit(re_audit(true)), failed, sample::report());
        let value = run_as_json(&Totals::default(), None, Some(&re_audit), &[]);
        assert_eq!((&value["what"], &value["end"], &value["delivered"]), (&json!("run"), &json!("failed"), &json!(0)));
        let value = &value["reaudit"];
        assert_eq!((&value["what"], &value["allow_repeats"]), (&json!("reaudit"), &json!(true)));
        assert_eq!((&value["from"], &value["end"]), (&json!("2026-01-01T00:00:00.000Z"), &json!("failed")));
        assert_eq!(value["failure"], json!({"code": "x", "message": "y"}));
        assert_eq!(run_as_json(&Totals::default(), Some(&End::Idle), None, &[])["reaudit"], json!(null));
    }
}
