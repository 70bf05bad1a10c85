//! CloudWatch: data points, and the template's alarms evaluated by its documented rules.

use std::collections::BTreeMap;

use serde_json::Value;

use super::expression::{Values, evaluate};
use crate::stack::Stack;

/// Namespace, name, dimensions.
type Metric = (String, String, BTreeMap<String, String>);

#[derive(Default)]
pub(crate) struct Metrics(BTreeMap<Metric, BTreeMap<i64, Vec<f64>>>);

impl Metrics {
    pub(crate) fn put(&mut self, namespace: &str, name: &str, dimensions: &[(&str, &str)], at: i64, value: f64) {
        let dimensions = dimensions.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.0
            .entry((namespace.to_owned(), name.to_owned(), dimensions))
            .or_default()
            .entry(at)
            .or_default()
            .push(value);
    }

    /// `None` if there is no data point.
    fn statistic(&self, metric: &Metric, statistic: &str, from: i64, period: i64) -> Option<f64> {
        let points = self.0.get(metric)?.range(from..from + period);
        let values: Vec<f64> = points.flat_map(|(_, values)| values).copied().collect();
        if values.is_empty() {
            return None;
        }
        Some(match statistic {
            "Sum" => values.iter().sum(),
            "Minimum" => values.iter().copied().fold(f64::INFINITY, f64::min),
            "Maximum" => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            "SampleCount" => values.len() as f64,
            other => panic!("{other} is not implemented here"),
        })
    }
}

struct Source {
    id: String,
    metric: Metric,
    statistic: String,
}

pub(crate) struct Alarm {
    pub id: String,
    name: String,
    sources: Vec<Source>,
    expression: Option<String>,
    period: i64,
    evaluation_periods: usize,
    datapoints_to_alarm: usize,
    is_below: bool,
    threshold: f64,
    missing_is_breaching: bool,
}

/// A number of CloudFormation, which may be a string.
fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| value.as_str().and_then(|text| text.parse().ok()).unwrap())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

fn metric(of: &Value) -> Metric {
    let dimensions = of["Dimensions"].as_array().unwrap().iter();
    (
        text(&of["Namespace"]),
        text(&of["MetricName"]),
        dimensions.map(|one| (text(&one["Name"]), text(&one["Value"]))).collect(),
    )
}

impl Alarm {
    pub(crate) fn all(stack: &Stack) -> Vec<Self> {
        stack.of_type("AWS::CloudWatch::Alarm").into_iter().map(|(id, it)| Self::of(id, it)).collect()
    }

    pub(crate) fn of(id: &str, resource: &Value) -> Self {
        let properties = &resource["Properties"];
        let evaluation_periods = number(&properties["EvaluationPeriods"]) as usize;
        let (mut expression, mut period) = (None, properties.get("Period").map(number));
        let mut sources = Vec::new();
        for one in properties["Metrics"].as_array().into_iter().flatten() {
            if let Some(stat) = one.get("MetricStat") {
                period = Some(number(&stat["Period"]));
                let (metric, statistic) = (metric(&stat["Metric"]), text(&stat["Stat"]));
                sources.push(Source { id: text(&one["Id"]), metric, statistic });
            } else {
                assert_eq!(one["ReturnData"], true, "{id}");
                expression = Some(text(&one["Expression"]));
            }
        }
        if sources.is_empty() {
            let (metric, statistic) = (metric(properties), text(&properties["Statistic"]));
            sources.push(Source { id: "only".to_owned(), metric, statistic });
        }
        Self {
            id: id.to_owned(),
            name: text(&resource["physical_id"]),
            sources,
            expression,
            period: period.unwrap() as i64,
            evaluation_periods,
            datapoints_to_alarm: properties
                .get("DatapointsToAlarm")
                .map_or(evaluation_periods, |it| number(it) as usize),
            is_below: match properties["ComparisonOperator"].as_str().unwrap() {
                "LessThanThreshold" => true,
                "GreaterThanOrEqualToThreshold" => false,
                other => panic!("{id}: {other}"),
            },
            threshold: number(&properties["Threshold"]),
            missing_is_breaching: match properties["TreatMissingData"].as_str().unwrap() {
                "breaching" => true,
                "notBreaching" => false,
                other => panic!("{id}: {other}"),
            },
        }
    }

    fn value(&self, metrics: &Metrics, from: i64) -> Option<f64> {
        let value = |source: &Source| metrics.statistic(&source.metric, &source.statistic, from, self.period);
        match &self.expression {
            None => value(&self.sources[0]),
            Some(expression) => {
                let values: Values = self.sources.iter().map(|source| (source.id.clone(), value(source))).collect();
                evaluate(expression, &values)
            }
        }
    }

    fn is_breached_by(&self, value: f64) -> bool {
        if self.is_below { value < self.threshold } else { value >= self.threshold }
    }

    /// Whether it is in ALARM at this moment, by the last complete periods.
    ///
    /// "How alarm state is evaluated when data is missing": CloudWatch looks `further` back than the evaluation
    /// periods. If it finds enough data points, it takes the newest of them. Otherwise the missing ones count as
    /// `TreatMissingData` says. AWS does not promise how far it looks, so a test tries more than one distance.
    pub(crate) fn rings(&self, metrics: &Metrics, now: i64, further: usize) -> bool {
        let end = now - now.rem_euclid(self.period);
        let range = self.evaluation_periods + further;
        let values = (1..=range as i64).filter_map(|back| self.value(metrics, end - back * self.period));
        let newest: Vec<f64> = values.take(self.evaluation_periods).collect();
        let missing = if self.missing_is_breaching { self.evaluation_periods - newest.len() } else { 0 };
        newest.iter().filter(|value| self.is_breached_by(**value)).count() + missing >= self.datapoints_to_alarm
    }
}

/// The alarms that a composite alarm is made of: `ALARM("name") OR ALARM("name")`.
pub(crate) fn children(stack: &Stack, composite: &str, alarms: &[Alarm]) -> Vec<String> {
    let rule = text(&stack.properties(composite)["AlarmRule"]);
    let names = rule.split(" OR ").map(|part| {
        part.strip_prefix("ALARM(\"").and_then(|rest| rest.strip_suffix("\")")).unwrap_or_else(|| panic!("{part}"))
    });
    let ids =
        names.map(|name| alarms.iter().find(|alarm| alarm.name == name).unwrap_or_else(|| panic!("{name}")).id.clone());
    ids.collect()
}

/// The table in CloudWatch's documentation for three of three data points, if it looks at five. The newest is the last
/// one.
#[test]
fn missing_data_is_treated_as_cloudwatch_documents_it() {
    for (points, when_breaching, when_not) in [
        ("0-X-X", false, false),
        ("----0", false, false),
        ("-----", true, false),
        ("0XX-X", true, true),
        ("--X--", true, false),
    ] {
        let mut metrics = Metrics::default();
        for (at, point) in points.chars().enumerate().filter(|(_, point)| *point != '-') {
            metrics.put("N", "m", &[], at as i64 * 60, if point == 'X' { 1.0 } else { 0.0 });
        }
        for (missing_is_breaching, rings) in [(true, when_breaching), (false, when_not)] {
            let alarm = Alarm {
                id: String::new(),
                name: String::new(),
                sources: vec![Source {
                    id: "only".to_owned(),
                    metric: ("N".to_owned(), "m".to_owned(), BTreeMap::new()),
                    statistic: "Sum".to_owned(),
                }],
                expression: None,
                period: 60,
                evaluation_periods: 3,
                datapoints_to_alarm: 3,
                is_below: false,
                threshold: 1.0,
                missing_is_breaching,
            };
            assert_eq!(alarm.rings(&metrics, 300, 2), rings, "{points}, missing is breaching: {missing_is_breaching}");
        }
    }
}
