//! Cold starts of several sizes, each after the same writes without an operator.

use anyhow::Result;

use crate::{
    baseline,
    fleet::Fleet,
    growth,
    measurement::Row,
    options::Options,
    report::{self, Judged},
    scenario,
};

/// What is aimed at by number of objects: open files, MiB, `GetParameters`. Infinite where nothing is.
const TARGETS: [(usize, [f64; 3]); 3] = [
    (1000, [15.0, 32.0, f64::INFINITY]),
    (10_000, [f64::INFINITY, 64.0, 1050.0]),
    (50_000, [f64::INFINITY, 256.0, f64::INFINITY]),
];
/// Cold start in multiples of `raw`, up to 10,000 objects.
const RATIO: f64 = 1.2;

/// Measurements of one size, each in a world of its own.
pub struct Pair {
    /// The writes without an operator.
    pub raw: Row,
    /// The cold start.
    pub start: Row,
}

/// All pairs of one size.
pub struct Size {
    /// Number of objects.
    pub objects: usize,
    /// In the order in which they were measured.
    pub pairs: Vec<Pair>,
}

/// Measures all sizes.
pub async fn run(options: &Options) -> Result<Vec<Row>> {
    let mut sizes = Vec::new();
    for &objects in options.sizes() {
        // Polled so seldom that no poll falls into the start, however long it takes.
        let (fleet, mut pairs) = (Fleet { interval: "24h", ..Fleet::new(objects, 1) }, Vec::new());
        for _ in 0..options.pairs {
            let raw = baseline::run(fleet, &format!("raw, {objects}")).await?;
            let start = scenario::cold_start(fleet, &format!("scale, {objects}")).await?;
            let pair = Pair { raw, start };
            pair.show(objects)?;
            pairs.push(pair);
        }
        sizes.push(Size { objects, pairs });
    }
    for size in &sizes {
        report::note(&format!("{} objects:", size.objects))?;
        report::judge(&size.judged())?;
    }
    growth::show(&sizes)?;
    Ok(sizes.into_iter().flat_map(|size| size.pairs).flat_map(|pair| [pair.raw, pair.start]).collect())
}

impl Pair {
    fn ratio(&self) -> f64 {
        self.start.seconds / self.raw.seconds
    }

    /// The same without what others use. On a machine that does other things too, it says more than times do.
    fn cpu_ratio(&self) -> f64 {
        self.start.cpu_seconds.ours() / self.raw.cpu_seconds.ours()
    }

    fn show(&self, objects: usize) -> Result<()> {
        report::note(&format!(
            "{objects} objects: a cold start takes {:.1} s, {:.2} times `raw`; the API server alone needs {:.1} s, which is \
             {:.0} % of it; by CPU time {:.2} times `raw`",
            self.start.seconds,
            self.ratio(),
            self.raw.seconds,
            100.0 / self.ratio(),
            self.cpu_ratio(),
        ))
    }
}

impl Size {
    /// Mean of a figure over all pairs.
    pub fn mean(&self, figure: impl Fn(&Pair) -> f64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let count = self.pairs.len() as f64;
        self.pairs.iter().map(figure).sum::<f64>() / count
    }

    /// The median ratio, and the worst of everything else.
    fn judged(&self) -> Vec<Judged> {
        let mut ratios: Vec<_> = self.pairs.iter().map(Pair::ratio).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        let most = if self.objects <= 10_000 { RATIO } else { f64::INFINITY };
        let mut judged = vec![
            Judged::new("Cold start in multiples of `raw`, median", ratios[ratios.len() / 2], most, "x"),
            Judged::new("The same by CPU time, mean", self.mean(Pair::cpu_ratio), f64::INFINITY, "x"),
        ];
        let targets = TARGETS.iter().find(|(objects, _)| *objects == self.objects);
        let [files, memory, calls] = targets.map_or([f64::INFINITY; 3], |(_, targets)| *targets);
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let figures = [
            Judged::new("Open files", self.worst(|row| row.open_files as f64), files, ""),
            Judged::new("Peak memory", self.worst(|row| row.peak_mib), memory, "MiB"),
            Judged::new("`GetParameters`", self.worst(|row| row.calls("GetParameters") as f64), calls, ""),
        ];
        judged.extend(figures);
        judged
    }

    fn worst(&self, figure: impl Fn(&Row) -> f64) -> f64 {
        self.pairs.iter().map(|pair| figure(&pair.start)).fold(0.0, f64::max)
    }
}
