use std::borrow::Cow;

use proptest::prelude::*;

use super::super::{Collector, Kind, Value};
use super::*;

/// A row of no collection.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    text: Option<String>,
    number: Option<i64>,
}

static FIELDS: [Field<Row>; 2] = [
    Field {
        name: "text",
        kind: Kind::Text,
        value: |row| match &row.text {
            Some(text) => Value::Text(Cow::Borrowed(text)),
            None => Value::Null,
        },
    },
    Field {
        name: "number",
        kind: Kind::Integer,
        value: |row| row.number.map_or(Value::Null, Value::Integer),
    },
];

fn pairs(query: &str) -> Vec<(&str, &str)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .collect()
}

fn query(text: &str) -> Result<Query<Row>, CodedError> {
    Query::new(&FIELDS, pairs(text).into_iter())
}

fn row(text: &str, number: i64) -> Row {
    Row {
        text: Some(text.to_owned()),
        number: Some(number),
    }
}

/// The numbers of the rows of the page, newest first: of 9 to 1, whose texts are `a`, `b`, `c` in turn.
fn page(text: &str) -> (Vec<i64>, Option<usize>) {
    let query = query(text).unwrap();
    let mut collector = Collector::new(&query, usize::MAX);
    for number in (1..=9).rev() {
        let text = ["c", "a", "b"][number as usize % 3];
        collector.offer(row(text, number), 1).unwrap();
    }
    let listed = collector.finish();
    let numbers = listed.items.iter().filter_map(|row| row.number).collect();
    (numbers, listed.total)
}

#[test]
fn fields_belong_together_and_values_of_one_do_not() {
    for (query, expected) in [
        ("", vec![9, 8, 7, 6, 5, 4, 3, 2, 1]),
        ("text=a", vec![7, 4, 1]),
        ("text=a&text=b", vec![8, 7, 5, 4, 2, 1]),
        ("TEXT=a&Text=b", vec![8, 7, 5, 4, 2, 1]),
        ("text=a&number=>3", vec![7, 4]),
        ("number=>3&number=<6", vec![9, 8, 7, 6, 5, 4, 3, 2, 1]),
        ("number=[>3&number=[<6", vec![5, 4]),
        ("number=[>3&number=<6", vec![5, 4]),
        ("number=>3&number=[<6", vec![5, 4]),
        ("number=[]>3&number=<6", vec![9, 8, 7, 6, 5, 4, 3, 2, 1]),
        ("text=![a&text=!b", vec![9, 6, 3]),
        ("text=!a&text=!b", vec![9, 8, 7, 6, 5, 4, 3, 2, 1]),
        ("text=z", vec![]),
        ("other=a&namespace=b&=c", vec![9, 8, 7, 6, 5, 4, 3, 2, 1]),
    ] {
        assert_eq!(page(query), (expected, None), "{query}");
    }
}

#[test]
fn pages_are_cut_as_firefly_cuts_them() {
    for (query, expected, total) in [
        ("limit=2", vec![9, 8], None),
        ("limit=2&skip=3", vec![6, 5], None),
        ("LIMIT=2&Skip=3&COUNT", vec![6, 5], Some(9)),
        ("limit=2&count=true", vec![9, 8], Some(9)),
        ("limit=2&count=TRUE&text=a", vec![7, 4], Some(3)),
        ("limit=2&count=1", vec![9, 8], None),
        ("limit=2&count=false&count=true", vec![9, 8], None),
        ("limit=3&limit=1", vec![9, 8, 7], None),
        ("limit=2&skip=8", vec![1], None),
        ("skip=20&count", vec![], Some(9)),
        ("limit=2&skip=1&sort=number", vec![2, 3], None),
    ] {
        assert_eq!(page(query), (expected, total), "{query}");
    }
    for (text, skip, limit) in [
        ("", 0, 25),
        ("limit=1000&skip=1000", 1000, 1000),
        ("limit=0", 0, 1000),
        ("limit=&skip=", 0, 1000),
        ("limit=-1&skip=-5", 0, 1000),
        ("limit=abc&skip=abc", 0, 1000),
    ] {
        let query = query(text).unwrap();
        assert_eq!((query.skip, query.limit), (skip, limit), "{text}");
    }
    for (text, code) in [
        ("limit=1001", "FF00192"),
        ("skip=1001", "FF00191"),
        ("limit=99999999999999999999", "FF00192"),
        ("number=x", "FF00143"),
        ("text=@a&number=@5", "FF00145"),
    ] {
        assert_eq!(query(text).unwrap_err().code(), code, "{text}");
    }
}

#[test]
fn rows_are_sorted_by_the_fields_named() {
    for (query, expected) in [
        ("sort=number", vec![1, 2, 3]),
        ("sort=-number", vec![9, 8, 7]),
        ("sort=text", vec![7, 4, 1]),
        ("sort=text,number", vec![1, 4, 7]),
        ("sort=-text,number", vec![3, 6, 9]),
        ("sort=-text&sort=number", vec![3, 6, 9]),
        ("SORT= text , -number ", vec![7, 4, 1]),
        ("sort=text,number&descending", vec![9, 6, 3]),
        ("sort=-text,-number&ascending=true", vec![1, 4, 7]),
        ("sort=text,number&descending&ascending", vec![9, 6, 3]),
        ("sort=-number&descending=1&Ascending", vec![1, 2, 3]),
        ("sort=-number&descending=no", vec![9, 8, 7]),
        // Names are case-sensitive here; unknown ones say nothing, and without a sort neither does a direction.
        ("sort=Number", vec![9, 8, 7]),
        ("sort=unknown,,--number", vec![9, 8, 7]),
        ("sort=unknown,number", vec![1, 2, 3]),
        ("ascending", vec![9, 8, 7]),
        ("sort=number,-number", vec![1, 2, 3]),
    ] {
        let query = format!("limit=3&{query}");
        assert_eq!(page(&query), (expected, None), "{query}");
    }
}

#[test]
fn null_is_sorted_before_everything() {
    let query = query("sort=text").unwrap();
    let mut collector = Collector::new(&query, usize::MAX);
    for text in [Some(""), None, Some("a")] {
        let text = text.map(str::to_owned);
        collector.offer(Row { text, number: None }, 1).unwrap();
    }
    let rows = collector.finish().items.into_iter();
    let texts: Vec<_> = rows.map(|row| row.text).collect();
    assert_eq!(texts, [None, Some(String::new()), Some("a".to_owned())]);
}

#[test]
fn rows_that_are_kept_are_counted_by_their_bytes() {
    for (text, fits) in [
        ("limit=2", true),
        ("limit=3", false),
        ("limit=2&sort=number", true),
    ] {
        let query = query(text).unwrap();
        let mut collector = Collector::new(&query, 25);
        let offered = (0..9)
            .rev()
            .try_for_each(|number| collector.offer(row("a", number), 10));
        assert_eq!(offered.is_ok(), fits, "{text}");
        if let Err(error) = offered {
            assert_eq!(error.code(), "PH00414");
        }
    }
}

#[test]
fn a_list_that_is_full_and_not_counted_is_done() {
    for (text, after) in [
        ("limit=2", Some(2)),
        ("limit=2&skip=2", Some(4)),
        ("limit=2&number=<7", Some(4)),
        ("limit=2&count", None),
        ("limit=2&sort=number", None),
    ] {
        let query = query(text).unwrap();
        let mut collector = Collector::new(&query, usize::MAX);
        let mut done = None;
        for (offered, number) in (1..=8).rev().enumerate() {
            if collector.is_done() {
                done = done.or(Some(offered));
            }
            collector.offer(row("a", number), 1).unwrap();
        }
        assert_eq!(done, after, "{text}");
    }
}

#[test]
fn bounds_of_a_field_are_those_of_all_its_values() {
    for (text, least, most) in [
        ("", None, None),
        ("number=5", Some(5), Some(5)),
        ("number=5&number=7", Some(5), Some(7)),
        ("number=>=5&number=<7", None, None),
        ("number=[>=5&number=<7", Some(5), Some(6)),
        ("number=[>=5&number=>8&number=!6", Some(9), None),
        ("number=5&number=?", None, None),
    ] {
        let query = query(text).unwrap();
        let bounds = (query.least_number("number"), query.most_number("number"));
        assert_eq!(bounds, (least, most), "{text}");
    }
    let query = query("text=a&text==b").unwrap();
    assert_eq!(query.only_texts("text"), Some(vec!["a", "b"]));
    assert_eq!(query.only_texts("number"), None);
    assert!(query.asks_for("text") && !query.asks_for("number"));
}

/// What section 5.3 says, by its table: for a text `field=<modifiers><operator><text>` on a value or null.
fn model(modifiers: &str, operator: &str, text: &str, value: Option<&str>) -> Option<bool> {
    let is = |modifier| modifiers.contains(modifier);
    let fold = |text: &str| {
        if is(':') {
            text.to_lowercase()
        } else {
            text.to_owned()
        }
    };
    if is('?') && text.is_empty() {
        return Some(value.is_none() != is('!'));
    }
    let (value, text) = (fold(value?), fold(text));
    let holds = match operator {
        "" | "=" => value == text,
        "@" => value.contains(&text),
        "^" => value.starts_with(&text),
        "$" => value.ends_with(&text),
        ">" | ">>" => value > text,
        ">=" => value >= text,
        "<" | "<<" => value < text,
        "<=" => value <= text,
        _ => unreachable!(),
    };
    Some(holds != is('!'))
}

fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    proptest::sample::select(texts)
}

proptest! {
    #[test]
    fn a_condition_means_what_the_table_says(
        modifiers in "[!:?\\[\\]]{0,4}",
        operator in one_of(&["", "=", "@", "^", "$", ">", ">>", ">=", "<", "<<", "<="]),
        text in one_of(&["", "a", "A", "ab", "b", "%", "a b", "ä", "Ä", "0"]),
        value in one_of(&["", "a", "A", "ab", "AB", "ba", "b", "a%", "a b", "ä", "xÄ", "null"]),
    ) {
        let query = query(&format!("text={modifiers}{operator}{text}"));
        let compares = operator.starts_with(['>', '<']);
        let folded = modifiers.contains(':');
        let code = if compares && modifiers.contains(['!', ':', '?']) {
            Some("FF00193")
        } else if modifiers.contains('?') && text.is_empty() && (folded || ["@", "^", "$"].contains(&operator)) {
            Some("FF00144")
        } else {
            None
        };
        prop_assert_eq!(query.as_ref().err().map(|error| error.code().to_owned()), code.map(str::to_owned));
        if let Ok(query) = query {
            let value = (value != "null").then_some(value);
            let expected = model(modifiers.as_str(), operator, text, value).unwrap_or(false);
            let row = Row { text: value.map(str::to_owned), number: None };
            prop_assert_eq!(query.matches(&row), expected);
        }
    }

    #[test]
    fn a_page_is_what_sorting_everything_gives(
        numbers in proptest::collection::vec((0i64..4, 0i64..4), 0..40),
        sort in one_of(&["", "number", "-number", "text", "-text,number", "text,-number"]),
        at_least in 0i64..4,
        skip in 0usize..20,
        limit in 1usize..20,
    ) {
        let text = format!("number=>={at_least}&skip={skip}&limit={limit}&count&sort={sort}");
        let query = query(&text).unwrap();
        let rows: Vec<Row> = numbers.iter().map(|(text, number)| row(&text.to_string(), *number)).collect();
        let mut collector = Collector::new(&query, usize::MAX);
        for row in &rows {
            collector.offer(row.clone(), 1).unwrap();
        }
        let listed = collector.finish();
        let mut all: Vec<Row> = rows.into_iter().filter(|row| row.number >= Some(at_least)).collect();
        for name in sort.split(',').rev().filter(|name| !name.is_empty()) {
            let by = |row: &Row| if name.ends_with("text") { (row.text.clone(), None) } else { (None, row.number) };
            all.sort_by(|a, b| if name.starts_with('-') { by(b).cmp(&by(a)) } else { by(a).cmp(&by(b)) });
        }
        prop_assert_eq!(listed.total, Some(all.len()));
        let expected: Vec<Row> = all.into_iter().skip(skip).take(limit).collect();
        prop_assert_eq!(listed.items, expected);
    }

    #[test]
    fn bounds_leave_nothing_out_that_matches(
        values in proptest::collection::vec(("[!\\[]{0,1}", one_of(&["", "=", ">", ">>", ">=", "<", "<="]), 0i64..6), 1..4),
        number in 0i64..6,
    ) {
        let values: Vec<String> = values
            .into_iter()
            .map(|(modifier, operator, text)| format!("number={modifier}{operator}{text}"))
            .collect();
        if let Ok(query) = query(&values.join("&"))
            && query.matches(&row("", number))
        {
            prop_assert!(query.least_number("number").is_none_or(|least| least <= number));
            prop_assert!(query.most_number("number").is_none_or(|most| most >= number));
        }
    }
}
