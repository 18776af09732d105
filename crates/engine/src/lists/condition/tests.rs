use std::borrow::Cow;

use photinus_contract::Timestamp;
use uuid::Uuid;

use super::*;

const ID: Uuid = Uuid::from_u128(0x0d4e4d6e_5f3b_4d0a_8a8a_6f4f5b0f7b01);

fn condition(kind: Kind, value: &str) -> Condition {
    match Condition::new("field", kind, value) {
        Ok((condition, _)) => condition,
        Err(error) => panic!("{value}: {error}"),
    }
}

#[track_caller]
fn check(kind: Kind, value: &str, holds: &[Value<'_>], not: &[Value<'_>]) {
    let condition = condition(kind, value);
    for row in holds {
        assert!(condition.holds(row), "{value} has to hold for {row:?}");
    }
    for row in not {
        assert!(!condition.holds(row), "{value} must not hold for {row:?}");
    }
}

fn text(text: &str) -> Value<'_> {
    Value::text(text)
}

const NULL: Value<'static> = Value::Null;

#[test]
fn texts_are_compared_as_the_operators_say() {
    let kind = Kind::Text;
    for value in ["abc", "=abc", "]abc", "[abc", "?abc", ">@abc", "<$abc"] {
        check(
            kind,
            value,
            &[text("abc")],
            &[text("ABC"), text("abcd"), text(""), NULL],
        );
    }
    for value in ["!abc", "!=abc", "!!abc", "?!abc"] {
        check(
            kind,
            value,
            &[text("ABC"), text("abcd"), text("")],
            &[text("abc"), NULL],
        );
    }
    for value in [":abc", ":=aBc", ":ABC"] {
        check(
            kind,
            value,
            &[text("abc"), text("Abc")],
            &[text("abcd"), NULL],
        );
    }
    for value in ["!:abc", ":!=ABC"] {
        check(kind, value, &[text("abcd"), text("")], &[text("aBc"), NULL]);
    }
    check(
        kind,
        "@b",
        &[text("b"), text("abc")],
        &[text("ABC"), text(""), NULL],
    );
    check(kind, "!@b", &[text("ABC"), text("")], &[text("abc"), NULL]);
    check(
        kind,
        ":@B",
        &[text("abc"), text("ABC")],
        &[text("ac"), NULL],
    );
    // FireFly tests the beginning here.
    check(
        kind,
        "!:@B",
        &[text("ac"), text("")],
        &[text("abc"), text("bc"), NULL],
    );
    check(
        kind,
        "^ab",
        &[text("abc")],
        &[text("Abc"), text("cab"), NULL],
    );
    check(
        kind,
        "!^ab",
        &[text("Abc"), text("cab")],
        &[text("abc"), NULL],
    );
    check(kind, ":^aB", &[text("ABC")], &[text("cab"), NULL]);
    check(kind, "!:^aB", &[text("cab")], &[text("ABC"), NULL]);
    check(
        kind,
        "$bc",
        &[text("abc")],
        &[text("aBC"), text("bca"), NULL],
    );
    check(
        kind,
        "!$bc",
        &[text("aBC"), text("bca")],
        &[text("abc"), NULL],
    );
    check(kind, ":$Bc", &[text("abc")], &[text("bca"), NULL]);
    check(kind, "!:$Bc", &[text("bca")], &[text("abc"), NULL]);
    for value in [">b", ">>b"] {
        check(
            kind,
            value,
            &[text("ba"), text("c")],
            &[text("b"), text("a"), text("C"), NULL],
        );
    }
    for value in ["<b", "<<b"] {
        check(kind, value, &[text("a"), text("")], &[text("b"), NULL]);
    }
    check(kind, ">=b", &[text("b"), text("c")], &[text("a"), NULL]);
    check(kind, "<=b", &[text("b"), text("a")], &[text("c"), NULL]);
}

#[test]
fn nothing_is_empty_or_null() {
    let kind = Kind::Text;
    for value in ["", "="] {
        check(kind, value, &[text("")], &[text("a"), NULL]);
    }
    for value in ["!", "!="] {
        check(kind, value, &[text("a")], &[text(""), NULL]);
    }
    for kind in [Kind::Text, Kind::Id, Kind::Hash, Kind::Json, Kind::Texts] {
        check(kind, "?", &[NULL], &[text(""), text("a")]);
        check(kind, "!?", &[text(""), text("a")], &[NULL]);
        check(kind, "?=", &[NULL], &[text("")]);
    }
    for kind in [Kind::Integer, Kind::Time, Kind::Flag] {
        check(kind, "?", &[NULL], &[Value::Integer(0)]);
        check(kind, "!?", &[Value::Integer(0)], &[NULL]);
    }
}

#[test]
fn the_text_begins_where_no_operator_can_be() {
    for (value, expected) in [
        ("==a", "=a"),
        ("=!a", "!a"),
        ("=?", "?"),
        ("a!b", "a!b"),
        ("%_", "%_"),
        ("=%", "%"),
        (" !a", " !a"),
        ("^^", "^"),
        ("!:[]?=@", "@"),
        ("$$1", "$1"),
        (">><", "<"),
        ("<<>", ">"),
        (">===", "=="),
        ("><a", "<a"),
        ("<>a", ">a"),
        ("<!?", ""),
        ("ä", "ä"),
        (":Ä", "Ä"),
    ] {
        assert_eq!(Parts::of(value).text, expected, "{value}");
    }
    // It is neither a pattern nor are there wildcards.
    check(Kind::Text, "@%", &[text("1%")], &[text("1")]);
    check(Kind::Text, "^_", &[text("_a")], &[text("ba")]);
    check(Kind::Text, "><a", &[text("<b")], &[text("<a"), text("<")]);
    check(Kind::Text, ":ÄΣ", &[text("äσ")], &[text("as")]);
}

#[test]
fn brackets_say_whether_values_belong_together() {
    for (value, expected) in [
        ("a", false),
        ("[a", true),
        ("[>5", true),
        ("![a", true),
        (">[a", true),
        ("[]a", false),
        ("][a", true),
        ("=[a", false),
        ("a[", false),
    ] {
        let (_, together) = Condition::new("field", Kind::Text, value).unwrap();
        assert_eq!(together, expected, "{value}");
    }
}

#[test]
fn numbers_and_times_are_compared_by_size() {
    let number = Value::Integer;
    check(
        Kind::Integer,
        "10",
        &[number(10)],
        &[number(9), text("10"), NULL],
    );
    check(Kind::Integer, "!10", &[number(9)], &[number(10), NULL]);
    check(Kind::Integer, ">9", &[number(10)], &[number(9), NULL]);
    check(
        Kind::Integer,
        "<=-1",
        &[number(-1), number(i64::MIN)],
        &[number(0)],
    );
    check(Kind::Integer, "=+5", &[number(5)], &[]);
    let time = |text: &str| Value::Time(text.parse::<Timestamp>().unwrap());
    let at = time("2023-07-22T04:26:40Z");
    for value in [
        "1690000000",
        ">=1690000000",
        "2023-07-22T05:26:40+01:00",
        "<=1690000000000",
        ">1689999999",
        "<1690000000000000001",
    ] {
        check(Kind::Time, value, std::slice::from_ref(&at), &[NULL]);
    }
    check(
        Kind::Time,
        "!1690000000",
        &[time("1690000001")],
        &[at, NULL],
    );
    for (value, holds) in [("true", 1), ("TRUE", 1), ("false", 0), ("1", 0), ("", 0)] {
        check(
            Kind::Flag,
            value,
            &[number(holds)],
            &[number(1 - holds), NULL],
        );
    }
}

#[test]
fn ids_and_hashes_are_compared_as_text() {
    let id = || Value::Id(ID);
    check(
        Kind::Id,
        "0d4e4d6e-5f3b-4d0a-8a8a-6f4f5b0f7b01",
        &[id()],
        &[NULL],
    );
    for value in [
        "0D4E4D6E-5F3B-4D0A-8A8A-6F4F5B0F7B01",
        "0d4e4d6e5f3b4d0a8a8a6f4f5b0f7b01",
        "no-uuid",
        "",
    ] {
        check(Kind::Id, value, &[], &[id(), NULL]);
    }
    for value in [
        "^0d4e",
        "@5f3b",
        "$7b01",
        ":0D4E4D6E-5F3B-4D0A-8A8A-6F4F5B0F7B01",
        ">0d",
    ] {
        check(Kind::Id, value, &[id()], &[NULL]);
    }
    let hash: photinus_contract::data::Hash = "5a".repeat(32).parse().unwrap();
    check(Kind::Hash, &"5a".repeat(32), &[Value::Hash(hash)], &[NULL]);
    check(Kind::Hash, &"5A".repeat(32), &[], &[Value::Hash(hash)]);
    check(
        Kind::Hash,
        &format!("0x{}", "5a".repeat(32)),
        &[],
        &[Value::Hash(hash)],
    );
    let list = Value::Text(Cow::Borrowed("a,b"));
    check(Kind::Texts, "a,b", std::slice::from_ref(&list), &[]);
    check(Kind::Texts, "@b", std::slice::from_ref(&list), &[]);
    check(Kind::Texts, "a", &[], &[list]);
}

#[test]
fn what_cannot_be_asked_is_refused() {
    for (kind, value, code) in [
        (Kind::Text, "!>5", "FF00193"),
        (Kind::Text, ":>5", "FF00193"),
        (Kind::Text, "?>5", "FF00193"),
        (Kind::Text, ">?", "FF00193"),
        (Kind::Text, ">!=5", "FF00193"),
        (Kind::Text, "!<=5", "FF00193"),
        (Kind::Text, "!>>5", "FF00193"),
        (Kind::Integer, ":<<5", "FF00193"),
        (Kind::Text, "?@", "FF00144"),
        (Kind::Text, "!?^", "FF00144"),
        (Kind::Text, "?$", "FF00144"),
        (Kind::Text, ":?", "FF00144"),
        (Kind::Text, "!:?", "FF00144"),
        (Kind::Integer, "?@", "FF00144"),
        (Kind::Integer, "@5", "FF00145"),
        (Kind::Integer, "^5", "FF00145"),
        (Kind::Time, "$5", "FF00145"),
        (Kind::Time, ":5", "FF00145"),
        (Kind::Time, "!:5", "FF00145"),
        (Kind::Flag, ":true", "FF00145"),
        (Kind::Integer, "", "FF00143"),
        (Kind::Integer, "!", "FF00143"),
        (Kind::Integer, "five", "FF00143"),
        (Kind::Integer, "1.5", "FF00143"),
        (Kind::Integer, "9223372036854775808", "FF00143"),
        (Kind::Integer, ">x", "FF00143"),
        (Kind::Time, "", "FF00143"),
        (Kind::Time, ">=yesterday", "FF00143"),
        (Kind::Time, "9999999999", "FF00143"),
    ] {
        let error = Condition::new("field", kind, value).unwrap_err();
        assert_eq!(
            (error.code(), error.status()),
            (code, 400),
            "{kind:?} {value}"
        );
    }
    let text = |kind, value| Condition::new("n", kind, value).unwrap_err().to_string();
    assert!(text(Kind::Integer, "x").contains(": FF00105: "));
    assert!(text(Kind::Time, "x").contains(": FF00136: "));
    assert!(Condition::new("field", Kind::Integer, "[>5").is_ok());
}

#[test]
fn bounds_are_those_of_what_can_hold() {
    for (value, least, most) in [
        ("5", Some(5), Some(5)),
        (">5", Some(6), None),
        (">=5", Some(5), None),
        ("<5", None, Some(4)),
        ("<=5", None, Some(5)),
        ("!5", None, None),
        ("?", None, None),
        ("!?", None, None),
        (">9223372036854775807", Some(i64::MAX), None),
    ] {
        let condition = condition(Kind::Integer, value);
        assert_eq!(
            (condition.least_number(), condition.most_number()),
            (least, most),
            "{value}"
        );
    }
    for (value, only) in [("a", Some("a")), ("!a", None), (":a", None), ("^a", None)] {
        assert_eq!(condition(Kind::Id, value).only_text(), only, "{value}");
    }
}
