//! Medians and percentiles.

use std::time::Duration;

#[derive(Clone, Debug, Default)]
pub(crate) struct Series(Vec<f64>);

impl Series {
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    pub(crate) fn milliseconds(&mut self, duration: Duration) {
        self.push(duration.as_secs_f64() * 1000.0);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn median(&self) -> f64 {
        self.percentile(0.5)
    }

    /// The smallest value such that this part of all values is at most as large.
    pub(crate) fn percentile(&self, part: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = (part * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let mut series = Series::default();
        assert!(series.median().is_nan());
        for value in (1..=20).rev() {
            series.push(f64::from(value));
        }
        assert_eq!((series.median(), series.percentile(0.95), series.percentile(1.0)), (10.0, 19.0, 20.0));
    }
}
