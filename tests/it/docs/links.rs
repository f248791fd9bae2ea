//! Links lead to files and headings that are there; what is deployed names pages, headings and metrics that are there.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use host_harness::serve::metrics::METRICS;

use super::page::{Page, ROOT, walk};

/// Targets of the links of a page, without those in code.
fn targets(page: &Page) -> Vec<String> {
    let mut text = page.text.clone();
    for block in page.blocks().into_iter().rev() {
        text.replace_range(block.place, "");
    }
    let outside: String = text.split('`').step_by(2).collect::<Vec<_>>().join("`");
    outside.split("](").skip(1).filter_map(|rest| rest.split(')').next()).map(str::to_owned).collect()
}

/// Without `..`, from the root.
fn resolved(from: &Path, target: &str) -> PathBuf {
    let mut path = PathBuf::new();
    for part in from.parent().unwrap().join(target).components() {
        match part {
            Component::ParentDir => drop(path.pop()),
            part => path.push(part),
        }
    }
    path
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_are_there() {
    let pages = Page::all();
    let mut broken = Vec::new();
    for page in &pages {
        for target in targets(page) {
            if target.starts_with("http") || target.starts_with("mailto:") {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((&target, ""));
            let path = if file.is_empty() { page.path.clone() } else { resolved(&page.path, file) };
            let is_there = Path::new(ROOT).join(&path).exists();
            let has_heading = heading.is_empty()
                || pages.iter().find(|page| page.path == path).is_some_and(|page| page.anchors().contains(heading));
            if !is_there || !has_heading {
                broken.push(format!("{}: {target}", page.name()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_index_names_every_page() {
    let index = Page::read("docs/README.md");
    let named: BTreeSet<PathBuf> = targets(&index).iter().map(|target| resolved(&index.path, target)).collect();
    for page in Page::all() {
        let is_listed_elsewhere = page.path.starts_with("docs/sinks") || page.path == index.path;
        let is_of_this_folder = page.path.starts_with("docs") || page.path.starts_with("deploy");
        assert!(
            is_listed_elsewhere || !is_of_this_folder || named.contains(&page.path),
            "{} is not in it",
            page.name()
        );
    }
}

#[test]
fn each_alert_leads_to_a_section_that_says_what_to_do() {
    let rules = std::fs::read_to_string(Path::new(ROOT).join("deploy/prometheus/rules.yaml")).unwrap();
    let sections = Page::read("docs/operations.md").anchors();
    let after = |mark: &str| -> Vec<String> {
        rules.lines().filter_map(|line| line.split_once(mark)).map(|(_, rest)| rest.trim().to_owned()).collect()
    };
    let (alerts, runbooks) = (after("- alert: "), after("runbook_url: docs/operations.md#"));
    assert_eq!(alerts.iter().map(|alert| alert.to_ascii_lowercase()).collect::<Vec<_>>(), runbooks);
    for runbook in runbooks {
        assert!(sections.contains(&runbook), "docs/operations.md has no section {runbook}");
    }
}

#[test]
fn only_metrics_that_are_there_are_named() {
    let known: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
    let mut texts: Vec<(String, String)> = Page::all().into_iter().map(|page| (page.name(), page.text)).collect();
    walk(Path::new("deploy"), &mut |path| {
        let text = std::fs::read_to_string(Path::new(ROOT).join(&path)).unwrap();
        texts.push((path.display().to_string(), text));
    });
    for (name, text) in texts {
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        for word in words.filter(|word| word.starts_with("webex_collector_") || word.starts_with("process_")) {
            assert!(known.contains(word), "{name}: there is no metric {word}");
        }
    }
}

/// What an operator watches is on the dashboard or raises an alarm; the rest would be counted for nobody.
#[test]
fn every_metric_of_a_stream_a_user_or_a_sink_is_on_the_dashboard_or_in_a_rule() {
    let of = |file: &str| std::fs::read_to_string(Path::new(ROOT).join("deploy").join(file)).unwrap();
    let shown = of("grafana/dashboard.json") + &of("prometheus/rules.yaml");
    /// Told by others: lag and backlog, counts of which one is shown, the process.
    const TOLD_BY_OTHERS: [&str; 7] = [
        "webex_collector_build_info",
        "webex_collector_stream_watermark_timestamp_seconds",
        "webex_collector_stream_frontier_timestamp_seconds",
        "webex_collector_events_listed_total",
        "webex_collector_sink_refused_events_total",
        "webex_collector_sink_last_acknowledged_timestamp_seconds",
        "process_start_time_seconds",
    ];
    for metric in METRICS {
        assert!(
            shown.contains(metric.name) || TOLD_BY_OTHERS.contains(&metric.name),
            "{} is shown nowhere",
            metric.name
        );
    }
}
