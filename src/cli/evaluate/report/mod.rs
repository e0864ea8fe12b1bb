//! Findings as a person reads them: on the terminal, and as one HTML file.

mod html;
mod plot;
mod text;

pub(super) use html::html;
pub(super) use text::text;

#[cfg(test)]
mod tests {
    use super::super::findings::*;
    use crate::gallery::error_rates::Rate;

    /// A report of nothing but one prediction that fails and one table of groups.
    fn findings() -> Findings {
        let none = || Figure::from(Rate::counted(0, 0));
        let row = |group: &str, ratio_to_best, standing: &str| GroupRow {
            group: group.to_owned(),
            people: 40,
            rate: Rate::counted(9, 90).into(),
            ratio_to_best,
            standing: standing.to_owned(),
        };
        let ratio = |value, low, high| Some(Estimate { value, low, high });
        let groups = vec![
            row("a", ratio(1.0, 1.0, 1.0), "not worse"),
            row("b", ratio(2.5, 1.31, 4.77), "worse"),
            row("c", None, "too few"),
        ];
        Findings {
            format: 1,
            data_set: DataSetPart {
                name: "toys".to_owned(),
                people: 80,
                people_with_two_pictures: 80,
                pictures: 160,
                failure_to_enrol: none(),
                without_face: Vec::new(),
                unreadable: Vec::new(),
                remarks: Vec::new(),
            },
            calibration: CalibrationPart {
                network: "toy".to_owned(),
                data_set: "none".to_owned(),
                comparisons: 0,
                method: "none".to_owned(),
            },
            statement: Vec::new(),
            verification: Verification {
                mated: 0,
                non_mated: 0,
                at_fmr: Vec::new(),
                at_threshold: Vec::new(),
                det: Vec::new(),
                non_mated_histogram: Vec::new(),
                mated_histogram: Vec::new(),
            },
            listed_pairs: None,
            identification: Vec::new(),
            prediction: vec![PredictionCheck {
                label: "similarity 80".to_owned(),
                from_enrolled: 1000,
                to_enrolled: 5183,
                draws: 20,
                inside: 14,
                overlapping: 20,
                inside_if_independent: 2,
                inside_with_measured_rate: 19,
                inside_with_measured_spread: 15,
                predicted: 0.33,
                measured: 0.3,
                holds: false,
                why_not: Some("the model does not hold, because <toys>".to_owned()),
            }],
            congress: None,
            quality: Vec::new(),
            groups: vec![GroupTable {
                column: "size".to_owned(),
                measure: "FMR within the group".to_owned(),
                label: "similarity 80".to_owned(),
                groups,
                max_over_geometric_mean: ratio(1.58, 1.12, 2.2),
            }],
            suspects: Suspects::default(),
            reproducibility: Reproducibility {
                program: "p".to_owned(),
                program_sha256: String::new(),
                pictures_sha256: String::new(),
                networks_sha256: String::new(),
                settings: Vec::new(),
            },
        }
    }

    #[test]
    fn ratios_with_intervals_and_why_a_prediction_fails_are_in_every_form() {
        let findings = findings();
        let text = super::text(&findings).join("\n");
        let html = super::html(&findings);
        for said in ["1 (the best)", "2.50 (1.31 to 4.77)", "1.58 (1.12 to 2.20)", "too few"] {
            assert!(text.contains(said) && html.contains(said), "{said}");
        }
        assert!(text.contains("    the model does not hold, because <toys>"), "{text}");
        assert!(html.contains("<p>the model does not hold, because &lt;toys&gt;</p>"));
        assert!(!html.contains("The prediction holds"));
        let json = serde_json::to_value(&findings).unwrap();
        assert_eq!(json["Prediction"][0]["WhyNot"], "the model does not hold, because <toys>");
        assert_eq!(json["Groups"][0]["Groups"][1]["RatioToBest"]["High"], 4.77);
        assert_eq!(json["Groups"][0]["Groups"][2]["RatioToBest"], serde_json::Value::Null);
    }
}
