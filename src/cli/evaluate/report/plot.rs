//! Plots as SVG text. Ours, because the same findings must give the same bytes, with text that can be selected and no
//! script; a plotting crate draws more and promises less.

use std::fmt::Write as _;

/// Plot area and margins, in user units.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 74.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 52.0;

/// Colours that people with colour blindness tell apart (Okabe and Ito 2008), each with a dash of its own for print
/// without colour.
const STROKES: [(&str, &str); 5] =
    [("#0072b2", "none"), ("#d55e00", "7 3"), ("#009e73", "2 3"), ("#aa4499", "9 3 2 3"), ("#8a6d00", "12 4")];

/// How values lie on an axis.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scale {
    Linear(f64, f64),
    /// Both ends are powers of ten.
    Log(i32, i32),
}

impl Scale {
    /// From the lowest to the highest of positive values, in whole decades; at least one.
    pub(super) fn decades(values: impl Iterator<Item = f64>) -> Option<Self> {
        let (low, high) = values
            .filter(|value| *value > 0.0 && value.is_finite())
            .fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
        #[expect(clippy::cast_possible_truncation, reason = "exponents of f64")]
        (low <= high).then(|| {
            let (low, high) = (low.log10().floor() as i32, (high.log10() - 1e-9).ceil() as i32);
            Self::Log(low, high.max(low + 1))
        })
    }

    /// 0 at the low end, 1 at the high one; values beyond are put on the edge.
    fn place(self, value: f64) -> f64 {
        let place = match self {
            Self::Linear(low, high) => (value - low) / (high - low),
            Self::Log(low, high) => (value.max(1e-300).log10() - f64::from(low)) / f64::from(high - low),
        };
        place.clamp(0.0, 1.0)
    }

    fn ticks(self) -> Vec<(f64, String)> {
        match self {
            Self::Linear(low, high) => (0..=5)
                .map(|step| low + (high - low) * f64::from(step) / 5.0)
                .map(|value| (value, short(value)))
                .collect(),
            Self::Log(low, high) => (low..=high).map(|power| (10.0_f64.powi(power), power_of_ten(power))).collect(),
        }
    }
}

fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

fn power_of_ten(power: i32) -> String {
    match power {
        0 => "1".to_owned(),
        1 => "10".to_owned(),
        2 => "100".to_owned(),
        3..=6 => super::super::words::count(10_u64.pow(power.unsigned_abs())),
        -2 => "1 %".to_owned(),
        -1 => "10 %".to_owned(),
        _ => format!("1e{power}"),
    }
}

/// One line of a plot.
pub(super) struct Series {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
    /// Ends of the interval of each point; empty for none.
    pub(super) intervals: Vec<(f64, f64)>,
    /// Fills the area below.
    pub(super) filled: bool,
    pub(super) markers: bool,
}

/// A plot with its axes.
pub(super) struct Plot<'a> {
    /// What a reader who sees no picture is told.
    pub(super) title: &'a str,
    pub(super) x_label: &'a str,
    pub(super) y_label: &'a str,
    pub(super) x: Scale,
    pub(super) y: Scale,
    pub(super) series: Vec<Series>,
}

impl Plot<'_> {
    pub(super) fn svg(&self) -> String {
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"{}\">\n",
            HEIGHT + 22.0 * self.legend_rows(),
            super::html::escape(self.title)
        );
        self.axes(&mut svg);
        for (number, series) in self.series.iter().enumerate() {
            self.draw(number, series, &mut svg);
        }
        self.legend(&mut svg);
        svg.push_str("</svg>\n");
        svg
    }

    fn at(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let left = LEFT + self.x.place(x) * (WIDTH - LEFT - RIGHT);
        let top = TOP + (1.0 - self.y.place(y)) * (HEIGHT - TOP - BOTTOM);
        (left, top)
    }

    fn axes(&self, svg: &mut String) {
        let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        for (value, text) in self.x.ticks() {
            let (x, _) = self.at((value, 0.0));
            let _ = writeln!(svg, "<path class=\"grid\" d=\"M{x:.1} {TOP}V{bottom}\"/>");
            let _ = writeln!(
                svg,
                "<text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{text}</text>",
                bottom + 17.0
            );
        }
        for (value, text) in self.y.ticks() {
            let (_, y) = self.at((1.0, value));
            let _ = writeln!(svg, "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/>");
            let _ = writeln!(
                svg,
                "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>",
                LEFT - 8.0,
                y + 4.0
            );
        }
        let _ = writeln!(svg, "<path class=\"axis\" d=\"M{LEFT} {TOP}V{bottom}H{right}\"/>");
        let _ = writeln!(
            svg,
            "<text class=\"label\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            (LEFT + right) / 2.0,
            bottom + 40.0,
            super::html::escape(self.x_label)
        );
        let _ = writeln!(
            svg,
            "<text class=\"label\" transform=\"translate(15 {:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            (TOP + bottom) / 2.0,
            super::html::escape(self.y_label)
        );
    }

    fn draw(&self, number: usize, series: &Series, svg: &mut String) {
        let (colour, dash) = STROKES[number % STROKES.len()];
        let places: Vec<(f64, f64)> = series.points.iter().map(|&point| self.at(point)).collect();
        for (&(x, _), &(low, high)) in series.points.iter().zip(&series.intervals) {
            let ((left, bottom), (_, top)) = (self.at((x, low)), self.at((x, high)));
            let _ = writeln!(
                svg,
                "<path d=\"M{left:.1} {bottom:.1}V{top:.1}M{:.1} {bottom:.1}h8M{:.1} {top:.1}h8\" stroke=\"{colour}\" fill=\"none\" stroke-opacity=\"0.55\"/>",
                left - 4.0,
                left - 4.0
            );
        }
        let mut path = String::new();
        for (step, (x, y)) in places.iter().enumerate() {
            let _ = write!(path, "{}{x:.1} {y:.1}", if step == 0 { 'M' } else { 'L' });
        }
        if let (true, Some(first), Some(last)) = (series.filled, places.first(), places.last()) {
            let bottom = HEIGHT - BOTTOM;
            let _ = writeln!(
                svg,
                "<path d=\"{path}L{:.1} {bottom}L{:.1} {bottom}Z\" fill=\"{colour}\" fill-opacity=\"0.18\"/>",
                last.0, first.0
            );
        }
        let _ = writeln!(
            svg,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" stroke-dasharray=\"{dash}\"/>"
        );
        if series.markers {
            for (x, y) in places {
                let _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>");
            }
        }
    }

    /// Rows of two names each.
    fn legend_rows(&self) -> f64 {
        if self.series.len() < 2 {
            return 0.0;
        }
        #[expect(clippy::cast_precision_loss, reason = "a few series")]
        let rows = self.series.len().div_ceil(2) as f64;
        rows
    }

    fn legend(&self, svg: &mut String) {
        if self.series.len() < 2 {
            return;
        }
        for (number, series) in self.series.iter().enumerate() {
            let (colour, dash) = STROKES[number % STROKES.len()];
            #[expect(clippy::cast_precision_loss, reason = "a few series")]
            let (x, y) = (LEFT + 285.0 * (number % 2) as f64, HEIGHT + 22.0 * (number / 2) as f64 + 4.0);
            let _ = writeln!(
                svg,
                "<path d=\"M{x:.1} {y:.1}h26\" stroke=\"{colour}\" stroke-width=\"2.5\" stroke-dasharray=\"{dash}\"/><text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                x + 33.0,
                y + 4.0,
                super::html::escape(&series.name)
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lie_where_their_scale_puts_them() {
        assert!((Scale::Log(-4, 0).place(1e-2) - 0.5).abs() < 1e-12);
        assert_eq!(Scale::Log(-4, 0).place(0.0), 0.0);
        assert_eq!(Scale::Linear(0.0, 2.0).place(5.0), 1.0);
        assert!(Scale::decades([].into_iter()).is_none());
        let Some(Scale::Log(low, high)) = Scale::decades([3e-4, 0.0, 0.2].into_iter()) else { panic!() };
        assert_eq!((low, high), (-4, 0));
        assert_eq!([0.0, 0.25, -0.5, 1.0].map(short), ["0", "0.25", "-0.5", "1"]);
    }

    #[test]
    fn names_cannot_break_out_of_the_drawing() {
        let series = |name: &str| Series {
            name: name.to_owned(),
            points: vec![(0.0, 0.0), (1.0, 1.0)],
            intervals: vec![],
            filled: true,
            markers: true,
        };
        let plot = Plot {
            title: "\"><script>",
            x_label: "<x>",
            y_label: "y",
            x: Scale::Linear(0.0, 1.0),
            y: Scale::Linear(0.0, 1.0),
            series: vec![series("<a>"), series("b & c")],
        };
        let svg = plot.svg();
        assert!(!svg.contains("<script") && !svg.contains("<a>") && svg.contains("b &amp; c"));
    }
}
