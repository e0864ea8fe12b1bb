//! The report as one HTML file: no script, nothing fetched, readable in print.

use std::fmt::Write as _;

use super::super::findings::{Figure, Findings, Gallery, GroupTable, SuspectPair, Verification};
use super::super::words::{count, mean, rate, rate_and_counts, ratio, share, stated};
use super::plot::{Plot, Scale, Series};

const STYLE: &str = "\
:root{color-scheme:light}\
body{margin:0;background:#fff;color:#1c1c1c;font:16px/1.5 system-ui,'Segoe UI',Helvetica,Arial,sans-serif}\
main{max-width:54rem;margin:0 auto;padding:2.5rem 1.25rem 4rem}\
h1{font-size:1.75rem;line-height:1.2;margin:0 0 .25rem}h2{font-size:1.25rem;margin:2.75rem 0 .5rem;border-top:1px solid #ddd;padding-top:1.25rem}\
h3{font-size:1rem;margin:1.5rem 0 .25rem}p{margin:.5rem 0}.sub{color:#555;margin-top:0}\
.statement{background:#f4f6f8;border-left:4px solid #0072b2;padding:.75rem 1.1rem;margin:1.25rem 0}\
.judge{background:#fdf6ec;border-left:4px solid #d55e00;padding:.75rem 1.1rem;margin:1rem 0;font-size:1.05rem}\
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;margin:.75rem 0;font-size:.875rem;font-variant-numeric:tabular-nums}\
th,td{text-align:left;padding:.35rem .6rem .35rem 0;border-bottom:1px solid #e3e3e3;vertical-align:top}th{color:#555;font-weight:600}td:first-child{white-space:nowrap}\
td.worse{color:#a33500;font-weight:600}figure{margin:1rem 0}figcaption{color:#555;font-size:.875rem}\
svg{width:100%;height:auto;font:12px system-ui,'Segoe UI',Helvetica,Arial,sans-serif}\
.grid{stroke:#e6e6e6;fill:none}.axis{stroke:#666;fill:none}.tick{fill:#444}.label{fill:#222;font-size:13px}\
code{font:.8125rem ui-monospace,Menlo,Consolas,monospace;overflow-wrap:anywhere}.small{font-size:.875rem;color:#555}\
@media print{body{font-size:10.5pt}main{max-width:none;padding:0}h2{break-after:avoid}figure,table,.statement,.judge{break-inside:avoid}}";

/// The whole file.
pub(in crate::cli::evaluate) fn html(findings: &Findings) -> String {
    let mut page = Page::default();
    page.head(findings);
    page.data_set(findings);
    page.congress(findings);
    page.identification(findings);
    page.prediction(findings);
    page.verification(findings);
    page.quality(findings);
    page.groups(findings);
    page.suspects(findings);
    page.reproducibility(findings);
    page.0.push_str("</main>\n</body>\n</html>\n");
    page.0
}

/// `text` with everything that HTML reads escaped.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

/// The file as far as it is written.
#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, html: &str) {
        self.0.push_str(html);
        self.0.push('\n');
    }

    fn paragraph(&mut self, text: &str) {
        let _ = writeln!(self.0, "<p>{}</p>", escape(text));
    }

    fn heading(&mut self, text: &str) {
        let _ = writeln!(self.0, "<h2>{}</h2>", escape(text));
    }

    fn table(&mut self, header: &[&str], rows: &[Vec<String>]) {
        self.line("<div class=\"wide\"><table><thead><tr>");
        header.iter().for_each(|cell| self.0.push_str(&format!("<th>{}</th>", escape(cell))));
        self.line("</tr></thead><tbody>");
        for row in rows {
            self.0.push_str("<tr>");
            for cell in row {
                let class = if cell == "worse" { " class=\"worse\"" } else { "" };
                let _ = write!(self.0, "<td{class}>{}</td>", escape(cell));
            }
            self.line("</tr>");
        }
        self.line("</tbody></table></div>");
    }

    fn figure(&mut self, plot: &Plot<'_>, caption: &str) {
        let _ = writeln!(self.0, "<figure>{}<figcaption>{}</figcaption></figure>", plot.svg(), escape(caption));
    }

    fn head(&mut self, findings: &Findings) {
        let title = format!("Face recognition on {}", findings.data_set.name);
        let _ = write!(
            self.0,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>{0}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{0}</h1>\n<p class=\"sub\">Network {1}, {2}</p>\n",
            escape(&title),
            escape(&findings.calibration.network),
            escape(&findings.reproducibility.program)
        );
        if !findings.statement.is_empty() {
            self.line("<div class=\"statement\">");
            findings.statement.iter().for_each(|sentence| self.paragraph(sentence));
            self.line("</div>");
        }
    }

    fn data_set(&mut self, findings: &Findings) {
        let data = &findings.data_set;
        self.heading("The pictures");
        self.paragraph(&format!(
            "{} pictures of {} people; {} people have two usable pictures or more. Failure to enrol: {}.",
            count(data.pictures),
            count(data.people),
            count(data.people_with_two_pictures),
            rate_and_counts(&data.failure_to_enrol)
        ));
        data.remarks.iter().for_each(|remark| self.paragraph(&format!("Note: {remark}.")));
        for (what, names) in [("Without a usable face", &data.without_face), ("Cannot be read", &data.unreadable)] {
            if !names.is_empty() {
                let shown: Vec<&str> = names.iter().take(50).map(String::as_str).collect();
                self.paragraph(&format!("{what} ({}): {}", count(names.len() as u64), shown.join("; ")));
            }
        }
        self.paragraph(&format!(
            "Similarity percents are those of the calibration on {}, {} comparisons of different people: {}.",
            findings.calibration.data_set,
            count(findings.calibration.comparisons),
            findings.calibration.method
        ));
    }

    fn congress(&mut self, findings: &Findings) {
        let Some(congress) = &findings.congress else { return };
        self.heading(&format!("The test {} on these pictures", congress.preset));
        self.paragraph(&format!("As published: {}.", congress.published));
        let _ = writeln!(self.0, "<div class=\"judge\"><p>{}</p></div>", escape(&congress.paragraph));
        if congress.taken_for.is_empty() {
            return;
        }
        self.paragraph("Who was taken for somebody else, closest first. A person should look: one who is enrolled under another name is no mistake of the network.");
        let row = |pair: &SuspectPair| vec![format!("{:.3}", pair.cosine), pair.first.clone(), pair.second.clone()];
        let rows: Vec<Vec<String>> = congress.taken_for.iter().map(row).collect();
        self.table(&["Cosine", "Searched with", "Taken for"], &rows);
    }

    fn identification(&mut self, findings: &Findings) {
        self.heading("Searching one face among many (1:N)");
        if findings.identification.is_empty() {
            self.paragraph("Too few people to search among.");
            return;
        }
        self.paragraph("FPIR is the share of searches of people who are not enrolled that return somebody at or above the threshold; FNIR is the share of searches of people who are enrolled that do not return them first. One picture of each person is enrolled. Intervals are of 95 %, with people and not searches as what was drawn.");
        self.fpir_plot(findings);
        for gallery in &findings.identification {
            self.gallery(gallery);
        }
    }

    fn gallery(&mut self, gallery: &Gallery) {
        let _ = writeln!(self.0, "<h3>{} enrolled</h3>", count(gallery.enrolled));
        let rows: Vec<Vec<String>> = gallery
            .at_threshold
            .iter()
            .map(|at| {
                let expected =
                    |[rate, low, high]: [f64; 3]| format!("{} ({} to {})", share(rate), share(low), share(high));
                vec![
                    at.label.clone(),
                    rate_and_counts(&at.fpir),
                    at.fpir_suspects_aside.as_ref().map_or_else(|| "-".to_owned(), rate),
                    at.expected_fpir.map_or_else(|| "not known".to_owned(), expected),
                    rate_and_counts(&at.fnir_rank_1),
                    at.selectivity.as_ref().map_or_else(|| "-".to_owned(), mean),
                ]
            })
            .collect();
        self.table(
            &[
                "Threshold",
                "FPIR, as labelled",
                "FPIR, suspected labels aside",
                "FPIR, expected by calibration",
                "FNIR, rank 1",
                "Others returned",
            ],
            &rows,
        );
        let ranks: Vec<String> = gallery
            .investigation
            .iter()
            .map(|(rank, fnir)| format!("not within the first {rank}: {}", rate(fnir)))
            .collect();
        self.line("<p class=\"small\">");
        self.0.push_str(&escape(&format!(
            "Without a threshold (investigation) every search returns somebody: FPIR is 100 % by construction. Enrolled people {}.",
            ranks.join("; ")
        )));
        self.line("</p>");
    }

    fn fpir_plot(&mut self, findings: &Findings) {
        let sizes = findings.identification.iter().map(|gallery| gallery.enrolled as f64);
        let levels = findings.identification.first().map_or(0, |gallery| gallery.at_threshold.len());
        let series: Vec<Series> = (0..levels)
            .map(|place| {
                let at = findings.identification.iter().filter_map(|gallery| {
                    let at = &gallery.at_threshold[place];
                    (at.fpir.errors > 0).then_some((gallery.enrolled as f64, &at.fpir))
                });
                let (points, intervals) =
                    at.map(|(x, fpir)| ((x, fpir.value.unwrap_or_default()), (fpir.low, fpir.high))).unzip();
                let name = findings.identification[0].at_threshold[place].label.clone();
                Series { name, points, intervals, filled: false, markers: true }
            })
            .filter(|series| !series.points.is_empty())
            .collect();
        let values = series.iter().flat_map(|s| s.points.iter().map(|p| p.1).chain(s.intervals.iter().map(|i| i.0)));
        let (Some(x), Some(y)) = (Scale::decades(sizes), Scale::decades(values)) else { return };
        let plot = Plot {
            title: "FPIR against gallery size, by threshold",
            x_label: "enrolled people",
            y_label: "FPIR",
            x,
            y,
            series,
        };
        self.figure(&plot, "False positive identifications against the size of the gallery, at each threshold, with 95 % intervals. Points without any event are left out; the tables tell their bounds.");
    }

    fn prediction(&mut self, findings: &Findings) {
        if findings.prediction.is_empty() {
            return;
        }
        self.heading("Can a smaller gallery predict a larger one?");
        self.paragraph("In each draw, a calibration is fitted on the first people enrolled alone, and what it expects of the largest gallery is held against what was measured there.");
        let rows: Vec<Vec<String>> = findings
            .prediction
            .iter()
            .map(|check| {
                vec![
                    format!("{} to {}", count(check.from_enrolled), count(check.to_enrolled)),
                    check.label.clone(),
                    share(check.predicted),
                    share(check.measured),
                    format!("{} of {}", check.inside, check.draws),
                    format!("{} of {}", check.inside_if_independent, check.draws),
                    format!("{} of {}", check.overlapping, check.draws),
                ]
            })
            .collect();
        self.table(
            &[
                "Enrolled",
                "Threshold",
                "Predicted, mean",
                "Measured, mean",
                "Inside the measured interval",
                "Same, comparisons independent",
                "Intervals overlap",
            ],
            &rows,
        );
        let failing: Vec<&String> = findings.prediction.iter().filter_map(|check| check.why_not.as_ref()).collect();
        if failing.is_empty() {
            self.paragraph("The prediction holds: it lies inside the measured interval in nine draws of ten or more.");
        } else {
            self.paragraph("The model is said to hold where its prediction lies inside the measured interval in nine draws of ten. Where it does not, do not rely on the prediction; its interval is all that it says.");
            failing.iter().for_each(|why| self.paragraph(why));
        }
    }

    fn verification(&mut self, findings: &Findings) {
        let verification = &findings.verification;
        self.heading("Comparing two faces (1:1)");
        self.paragraph(&format!(
            "{} comparisons of different people, {} of one person with himself.",
            count(verification.non_mated),
            count(verification.mated)
        ));
        if let Some(pairs) = &findings.listed_pairs {
            self.paragraph(&format!(
                "Ten-fold accuracy on the {} listed pairs: {} (standard error {}; 95 % interval of the decisions {} to {}); {} pairs left out for a missing face.",
                count(pairs.pairs),
                share(pairs.accuracy),
                share(pairs.standard_error),
                share(pairs.interval[0]),
                share(pairs.interval[1]),
                count(pairs.without_face)
            ));
        }
        self.histogram(verification);
        self.det(verification);
        let rows: Vec<Vec<String>> = verification
            .at_threshold
            .iter()
            .map(|at| {
                vec![
                    at.label.clone(),
                    format!("{:.4}", at.cosine),
                    rate_and_counts(&at.fmr),
                    at.fmr_of_people.map_or_else(|| "-".to_owned(), stated),
                    at.stated_fmr.map_or_else(|| "-".to_owned(), stated),
                    rate_and_counts(&at.fnmr),
                ]
            })
            .collect();
        self.table(
            &[
                "Threshold",
                "Cosine",
                "FMR as labelled",
                "FMR of two people at random",
                "FMR the calibration states",
                "FNMR",
            ],
            &rows,
        );
        self.line("<p class=\"small\">As labelled, every comparison of two pictures counts, and people with many pictures count often. Of two people at random, each pair of people counts once and the labels to look at (below) are set aside; that is what a calibration states.</p>");
        let rows: Vec<Vec<String>> = verification
            .at_fmr
            .iter()
            .map(|at| {
                let few = || "too few comparisons to say".to_owned();
                vec![
                    format!("{:.0e}", at.fmr),
                    at.cosine.map_or_else(few, |c| format!("{c:.4}")),
                    at.similarity.map_or_else(|| "-".to_owned(), |s| format!("{s:.1}")),
                    at.tmr.as_ref().map_or_else(|| "-".to_owned(), rate),
                ]
            })
            .collect();
        self.table(&["FMR", "Cosine", "Similarity", "True matches (TMR)"], &rows);
    }

    fn histogram(&mut self, verification: &Verification) {
        let density = |counts: &[u64]| -> Vec<(f64, f64)> {
            let total = counts.iter().sum::<u64>().max(1) as f64;
            let parts = counts.len() as f64;
            let place = |part: usize| -1.0 + (2.0 * part as f64 + 1.0) / parts;
            counts.iter().enumerate().map(|(part, &n)| (place(part), n as f64 * parts / (2.0 * total))).collect()
        };
        let series = |name: &str, counts: &[u64]| Series {
            name: name.to_owned(),
            points: density(counts),
            intervals: Vec::new(),
            filled: true,
            markers: false,
        };
        let both =
            [("different people", &verification.non_mated_histogram), ("one person", &verification.mated_histogram)];
        let series: Vec<Series> = both
            .iter()
            .filter(|(_, counts)| counts.iter().any(|&n| n > 0))
            .map(|(name, counts)| series(name, counts))
            .collect();
        let highest = series.iter().flat_map(|s| s.points.iter().map(|p| p.1)).fold(0.0, f64::max);
        if highest == 0.0 {
            return;
        }
        let plot = Plot {
            title: "Scores of different people and of one person",
            x_label: "cosine",
            y_label: "density",
            x: Scale::Linear(-0.5, 1.0),
            y: Scale::Linear(0.0, highest * 1.05),
            series,
        };
        self.figure(&plot, "How comparisons score. Where the two areas meet, errors are made.");
    }

    fn det(&mut self, verification: &Verification) {
        let points: Vec<(f64, f64)> = verification.det.iter().map(|&[_, fmr, fnmr]| (fmr, fnmr)).collect();
        let (Some(x), Some(y)) =
            (Scale::decades(points.iter().map(|p| p.0)), Scale::decades(points.iter().map(|p| p.1)))
        else {
            return;
        };
        let told = verification.at_threshold.iter().filter(|at| at.fmr.errors > 0 && at.fnmr.errors > 0);
        let (at, intervals) = told
            .map(|at| {
                let value = |figure: &Figure| figure.value.unwrap_or_default();
                ((value(&at.fmr), value(&at.fnmr)), (at.fnmr.low, at.fnmr.high))
            })
            .unzip();
        let line = |name: &str, points, intervals, markers| Series {
            name: name.to_owned(),
            points,
            intervals,
            filled: false,
            markers,
        };
        let mut series = vec![line("every threshold", points, Vec::new(), false)];
        series.push(line("thresholds of the table below", at, intervals, true));
        let plot = Plot { title: "Detection error trade-off", x_label: "FMR", y_label: "FNMR", x, y, series };
        self.figure(
            &plot,
            "Detection error trade-off, as labelled: every threshold with at least ten errors of each kind, and those of the table below with the 95 % interval of FNMR.",
        );
    }

    fn quality(&mut self, findings: &Findings) {
        let Some(first) = findings.quality.first() else { return };
        self.heading("Quality against error");
        let series: Vec<Series> = findings
            .quality
            .iter()
            .map(|curve| Series {
                name: curve.measure.clone(),
                points: curve.points.iter().map(|p| (p.share, p.fnmr.value.unwrap_or_default())).collect(),
                intervals: Vec::new(),
                filled: false,
                markers: true,
            })
            .collect();
        let highest = series.iter().flat_map(|s| s.points.iter().map(|p| p.1)).fold(0.0, f64::max);
        if highest > 0.0 {
            let plot = Plot {
                title: "FNMR when the worst pictures are left out",
                x_label: "share of pictures left out, lowest values first",
                y_label: "FNMR",
                x: Scale::Linear(0.0, 0.5),
                y: Scale::Linear(0.0, highest * 1.1),
                series,
            };
            self.figure(&plot, &format!("FNMR at {} when the pictures lowest by one measure are left out. A measure that falls steeply is worth a floor for probes. The table has the intervals.", first.label));
        }
        let rows: Vec<Vec<String>> = findings
            .quality
            .iter()
            .flat_map(|curve| {
                curve.points.iter().map(|p| {
                    vec![curve.measure.clone(), share(p.share), format!("{:.1}", p.floor), rate_and_counts(&p.fnmr)]
                })
            })
            .collect();
        self.table(&["Measure", "Left out", "Floor", "FNMR of the rest"], &rows);
    }

    fn groups(&mut self, findings: &Findings) {
        if findings.groups.is_empty() {
            return;
        }
        self.heading("Groups");
        self.paragraph("A group is called worse when its rate is surely more than 1.25 times that of all others together: at most one report in twenty calls any group so by chance (Holm). Groups of fewer than 30 people, or with fewer than three errors to be expected, are too few to say anything; a ratio needs three errors on both sides. Intervals of ratios are of at least 95 %, whichever group turns out to be the best or the worst.");
        findings.groups.iter().for_each(|table| self.group_table(table));
    }

    fn group_table(&mut self, table: &GroupTable) {
        let _ = writeln!(
            self.0,
            "<h3>{}</h3>",
            escape(&format!("{} by {}, at {}", table.measure, table.column, table.label))
        );
        if table.groups.is_empty() {
            self.paragraph("No data.");
            return;
        }
        let rows: Vec<Vec<String>> = table
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
        self.table(&["Group", "People", "Rate", "Ratio to the best", "Verdict"], &rows);
        let largest = table.max_over_geometric_mean.as_ref().map_or_else(|| "too few".to_owned(), ratio);
        self.paragraph(&format!("Largest rate over the geometric mean: {largest}."));
    }

    fn suspects(&mut self, findings: &Findings) {
        let suspects = &findings.suspects;
        self.heading("Labels to look at");
        self.paragraph(&format!(
            "{} pairs of people are closer than chance would make any pair of so many: one person under two names, or close relatives. {} pictures are under two names. {} pictures are unlike every other one of their person. All are counted as they are labelled; a person should look at them.",
            count(suspects.pairs_of_people),
            count(suspects.same_picture.len() as u64),
            count(suspects.unlike_their_person.len() as u64)
        ));
        let row = |pair: &SuspectPair| vec![format!("{:.3}", pair.cosine), pair.first.clone(), pair.second.clone()];
        let rows: Vec<Vec<String>> =
            suspects.same_picture.iter().chain(&suspects.one_person_two_names).map(row).collect();
        if !rows.is_empty() {
            self.table(&["Cosine", "One picture", "The other"], &rows);
        }
        let rows: Vec<Vec<String>> =
            suspects.unlike_their_person.iter().map(|(name, best)| vec![name.clone(), format!("{best:.3}")]).collect();
        if !rows.is_empty() {
            self.table(&["Unlike their person", "Best cosine with the others"], &rows);
        }
    }

    fn reproducibility(&mut self, findings: &Findings) {
        let made = &findings.reproducibility;
        self.heading("How to make this again");
        self.paragraph("The same program, pictures and settings give this file again, byte for byte. The same figures are in the JSON file beside it.");
        let mut rows = vec![
            ("program".to_owned(), made.program.clone()),
            ("SHA-256 of the program".to_owned(), made.program_sha256.clone()),
            ("SHA-256 of pictures and labels".to_owned(), made.pictures_sha256.clone()),
            ("SHA-256 of networks".to_owned(), made.networks_sha256.clone()),
        ];
        rows.extend(made.settings.iter().cloned());
        self.line("<table><tbody>");
        for (name, value) in rows {
            let _ = writeln!(self.0, "<tr><th>{}</th><td><code>{}</code></td></tr>", escape(&name), escape(&value));
        }
        self.line("</tbody></table>");
    }
}
