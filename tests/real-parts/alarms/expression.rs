//! Metric math, as much of it as the template uses: `SUM(METRICS())`, `FILL(id, number)`, `IF(condition, number,
//! number)`, `+`, `<`, `>` and `AND`. Anything else fails the test.

use std::collections::BTreeMap;

/// The metrics of an alarm in one period. `None` is no data.
pub(crate) type Values = BTreeMap<String, Option<f64>>;

/// The expression's value. `None` if data is missing for it, or if no metric has any.
pub(crate) fn evaluate(expression: &str, values: &Values) -> Option<f64> {
    if values.values().all(Option::is_none) {
        return None;
    }
    if expression == "SUM(METRICS())" {
        return Some(values.values().flatten().sum());
    }
    let tokens = tokens(expression);
    let mut parser = Parser { tokens: &tokens, values };
    let value = parser.conjunction();
    assert!(parser.tokens.is_empty(), "{expression}: {:?}", parser.tokens);
    value
}

fn tokens(expression: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut in_word = false;
    for character in expression.chars() {
        let is_word = character.is_ascii_alphanumeric() || character == '_' || character == '.';
        match tokens.last_mut() {
            Some(last) if in_word && is_word => last.push(character),
            _ if character == ' ' => {}
            _ => tokens.push(character.to_string()),
        }
        in_word = is_word;
    }
    tokens
}

struct Parser<'a> {
    tokens: &'a [String],
    values: &'a Values,
}

impl Parser<'_> {
    fn next(&mut self) -> &str {
        let (first, rest) = self.tokens.split_first().expect("the expression ends early");
        self.tokens = rest;
        first
    }

    fn skip_if(&mut self, token: &str) -> bool {
        let is_next = self.tokens.first().is_some_and(|first| first == token);
        if is_next {
            self.next();
        }
        is_next
    }

    fn expect(&mut self, token: &str) {
        assert!(self.skip_if(token), "{token} was expected before {:?}", self.tokens);
    }

    fn conjunction(&mut self) -> Option<f64> {
        let mut value = self.comparison();
        while self.skip_if("AND") {
            let other = self.comparison();
            value = value.zip(other).map(|(one, other)| f64::from(u8::from(one != 0.0 && other != 0.0)));
        }
        value
    }

    fn comparison(&mut self) -> Option<f64> {
        let left = self.sum();
        for (sign, holds) in [("<", f64::lt as fn(&f64, &f64) -> bool), (">", f64::gt)] {
            if self.skip_if(sign) {
                return left.zip(self.sum()).map(|(left, right)| f64::from(u8::from(holds(&left, &right))));
            }
        }
        left
    }

    fn sum(&mut self) -> Option<f64> {
        let mut value = self.term();
        while self.skip_if("+") {
            value = value.zip(self.term()).map(|(one, other)| one + other);
        }
        value
    }

    fn term(&mut self) -> Option<f64> {
        let name = self.next().to_owned();
        if let Ok(number) = name.parse() {
            return Some(number);
        }
        match name.as_str() {
            "FILL" => {
                self.expect("(");
                let value = self.term();
                self.expect(",");
                let filled = self.term();
                self.expect(")");
                value.or(filled)
            }
            "IF" => {
                self.expect("(");
                let condition = self.conjunction();
                self.expect(",");
                let then = self.sum();
                self.expect(",");
                let otherwise = self.sum();
                self.expect(")");
                if condition? != 0.0 { then } else { otherwise }
            }
            id => *self.values.get(id).unwrap_or_else(|| panic!("there is no metric {id}")),
        }
    }
}

#[test]
fn an_expression_is_evaluated_as_cloudwatch_documents_it() {
    let values = |a: Option<f64>, b: Option<f64>| Values::from([("a".to_owned(), a), ("b".to_owned(), b)]);
    for (expression, a, b, value) in [
        ("SUM(METRICS())", Some(1.0), Some(2.0), Some(3.0)),
        ("SUM(METRICS())", None, Some(2.0), Some(2.0)),
        ("FILL(a, 0) + FILL(b, 0)", None, Some(2.0), Some(2.0)),
        ("FILL(a, 0) + FILL(b, 0)", None, None, None),
        ("a + b", None, Some(2.0), None),
        ("IF(FILL(a, 0) > 0 AND FILL(b, 0) < 1, 1, 0)", Some(3.0), None, Some(1.0)),
        ("IF(FILL(a, 0) > 0 AND FILL(b, 0) < 1, 1, 0)", Some(3.0), Some(1.0), Some(0.0)),
        ("IF(FILL(a, 0) > 0 AND FILL(b, 0) < 1, 1, 0)", Some(0.0), None, Some(0.0)),
    ] {
        assert_eq!(evaluate(expression, &values(a, b)), value, "{expression} of {a:?} and {b:?}");
    }
}
