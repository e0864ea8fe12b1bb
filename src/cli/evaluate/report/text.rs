//! The report on the terminal.

use super::super::findings::{Figure, Findings};
use super::super::words::{count, mean, rate, rate_and_counts, ratio, share, stated};
use crate::cli::output::{one_line, table};

/// Files listed by name before the rest is only counted.
const NAMED_MAX: usize = 10;

/// Lines of the report.
pub(in crate::cli::evaluate) fn text(findings: &Findings) -> Vec<String> {
    let mut lines = Vec::new();
    data_set(findings, &mut lines);
    verification(findings, &mut lines);
    identification(findings, &mut lines);
    groups(findings, &mut lines);
    suspects(findings, &mut lines);
    congress(findings, &mut lines);
    lines.push(String::new());
    lines.extend(findings.statement.iter().cloned());
    lines.iter().map(|line| one_line(line)).collect()
}

fn congress(findings: &Findings, lines: &mut Vec<String>) {
    let Some(congress) = &findings.congress else { return };
    lines.push(String::new());
    lines.push(format!("{}: {}", congress.preset, congress.published));
    lines.push(congress.paragraph.clone());
    if !congress.taken_for.is_empty() {
        lines.push("taken for somebody else, closest first; look whether it is somebody else:".to_owned());
    }
    let taken = congress.taken_for.iter().take(NAMED_MAX);
    lines.extend(taken.map(|pair| format!("  {:.3}  {}  {}", pair.cosine, pair.first, pair.second)));
}

fn data_set(findings: &Findings, lines: &mut Vec<String>) {
    let data = &findings.data_set;
    lines.push(format!("{}, network {}", data.name, findings.calibration.network));
    lines.push(format!(
        "  pictures           {} of {} people, {} of them with two or more",
        count(data.pictures),
        count(data.people),
        count(data.people_with_two_pictures)
    ));
    lines.push(format!("  failure to enrol   {}", rate_and_counts(&data.failure_to_enrol)));
    named("without a face", &data.without_face, lines);
    named("cannot be read", &data.unreadable, lines);
    lines.extend(data.remarks.iter().map(|remark| format!("  note: {remark}")));
    lines.push(format!(
        "  percents           calibrated on {}, {} comparisons",
        findings.calibration.data_set,
        count(findings.calibration.comparisons)
    ));
}

fn named(what: &str, names: &[String], lines: &mut Vec<String>) {
    if names.is_empty() {
        return;
    }
    lines.push(format!("  {what}: {}", count(names.len() as u64)));
    lines.extend(names.iter().take(NAMED_MAX).map(|name| format!("    {name}")));
}

fn verification(findings: &Findings, lines: &mut Vec<String>) {
    let verification = &findings.verification;
    lines.push(String::new());
    lines.push(format!(
        "1:1, {} comparisons of different people, {} of one person",
        count(verification.non_mated),
        count(verification.mated)
    ));
    if let Some(pairs) = &findings.listed_pairs {
        lines.push(format!(
            "  ten-fold accuracy on {} pairs: {} (standard error {}; 95 % of the decisions {} to {}), left out {}",
            count(pairs.pairs),
            share(pairs.accuracy),
            share(pairs.standard_error),
            share(pairs.interval[0]),
            share(pairs.interval[1]),
            count(pairs.without_face)
        ));
    }
    let rows: Vec<Vec<String>> = verification
        .at_fmr
        .iter()
        .map(|at| {
            let told = |value: Option<String>| value.unwrap_or_else(|| "too few comparisons".to_owned());
            vec![
                format!("{:.0e}", at.fmr),
                told(at.cosine.map(|c| format!("{c:.4}"))),
                at.similarity.map_or_else(|| "-".to_owned(), |s| format!("{s:.1}")),
                at.tmr.as_ref().map_or_else(|| "-".to_owned(), tmr),
            ]
        })
        .collect();
    lines.extend(table(&["  at FMR", "cosine", "similarity", "TMR"], &rows).iter().map(|line| format!("  {line}")));
    let rows: Vec<Vec<String>> = verification
        .at_threshold
        .iter()
        .map(|at| {
            vec![
                at.label.clone(),
                format!("{:.4}", at.cosine),
                rate(&at.fmr),
                at.fmr_of_people.map_or_else(|| "-".to_owned(), stated),
                at.stated_fmr.map_or_else(|| "-".to_owned(), stated),
                rate(&at.fnmr),
            ]
        })
        .collect();
    let header = ["  threshold", "cosine", "FMR as labelled", "FMR of people, suspects aside", "FMR stated", "FNMR"];
    lines.extend(table(&header, &rows).iter().map(|line| format!("  {line}")));
}

fn tmr(figure: &Figure) -> String {
    figure.value.map_or_else(
        || "no data".to_owned(),
        |_| {
            let hit = |error: f64| share(error);
            format!("{} ({} to {})", hit(figure.value.unwrap_or_default()), hit(figure.low), hit(figure.high))
        },
    )
}

fn identification(findings: &Findings, lines: &mut Vec<String>) {
    for gallery in &findings.identification {
        lines.push(String::new());
        lines.push(format!(
            "1:N, {} enrolled, {} searches of people who are not enrolled and {} of people who are, in {} draws",
            count(gallery.enrolled),
            count(gallery.non_mated_searches),
            count(gallery.mated_searches),
            gallery.draws
        ));
        let rows: Vec<Vec<String>> = gallery
            .at_threshold
            .iter()
            .map(|at| {
                vec![
                    at.label.clone(),
                    rate(&at.fpir),
                    at.fpir_suspects_aside.as_ref().map_or_else(|| "-".to_owned(), rate),
                    at.expected_fpir.map_or_else(
                        || "not known".to_owned(),
                        |[r, l, h]| format!("{} ({} to {})", share(r), share(l), share(h)),
                    ),
                    rate(&at.fnir_rank_1),
                    at.selectivity.as_ref().map_or_else(|| "-".to_owned(), mean),
                ]
            })
            .collect();
        let header = [
            "  threshold",
            "FPIR as labelled",
            "FPIR, suspects aside",
            "FPIR expected",
            "FNIR rank 1",
            "others returned",
        ];
        lines.extend(table(&header, &rows).iter().map(|line| format!("  {line}")));
        let ranks: Vec<String> =
            gallery.investigation.iter().map(|(rank, fnir)| format!("rank {rank} {}", self::rate(fnir))).collect();
        lines.push(format!("  no threshold       every search returns somebody; FNIR {}", ranks.join(", ")));
    }
    for check in &findings.prediction {
        lines.push(format!(
            "  {} enrolled predict {} at {}: {}, measured {}; inside the measured interval in {} of {} draws ({} if comparisons were independent), intervals overlap in {}",
            count(check.from_enrolled),
            count(check.to_enrolled),
            check.label,
            share(check.predicted),
            share(check.measured),
            check.inside,
            check.draws,
            check.inside_if_independent,
            check.overlapping
        ));
        lines.extend(check.why_not.iter().map(|why| format!("    {why}")));
    }
}

fn groups(findings: &Findings, lines: &mut Vec<String>) {
    for group in &findings.groups {
        lines.push(String::new());
        if group.groups.is_empty() {
            lines.push(format!("{} by {}: no data", group.measure, group.column));
            continue;
        }
        lines.push(format!("{} by {}, at {}", group.measure, group.column, group.label));
        let rows: Vec<Vec<String>> = group
            .groups
            .iter()
            .map(|row| {
                vec![
                    row.group.clone(),
                    count(row.people),
                    rate_and_counts(&row.rate),
                    row.ratio_to_best.as_ref().map_or_else(|| "too few".to_owned(), ratio),
                    row.standing.clone(),
                ]
            })
            .collect();
        lines.extend(
            table(&["group", "people", "rate", "to the best", "verdict"], &rows).iter().map(|line| format!("  {line}")),
        );
        let largest = group.max_over_geometric_mean.as_ref().map_or_else(|| "too few".to_owned(), ratio);
        lines.push(format!("  largest over geometric mean {largest}"));
    }
}

fn suspects(findings: &Findings, lines: &mut Vec<String>) {
    let suspects = &findings.suspects;
    lines.push(String::new());
    lines.push(format!(
        "labels to look at: {} pairs of people who may be one, {} pictures under two names, {} pictures unlike their person",
        suspects.pairs_of_people,
        suspects.same_picture.len(),
        suspects.unlike_their_person.len()
    ));
    let pairs = suspects.same_picture.iter().chain(&suspects.one_person_two_names).take(NAMED_MAX);
    lines.extend(pairs.map(|pair| format!("  {:.3}  {}  {}", pair.cosine, pair.first, pair.second)));
}
