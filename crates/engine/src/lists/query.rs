//! What does a client ask of a list?

use photinus_contract::CodedError;

use super::collector::{Collector, Listed};
use super::condition::Condition;
use super::field::Field;
use super::order::{Key, Sort};

/// Items of a list whose length is not asked for.
pub const LIMIT_DEFAULT: usize = 25;
/// Most items of a list.
pub const LIMIT_MAX: usize = 1000;
/// Most items that can be left out at the beginning.
pub const SKIP_MAX: usize = 1000;

/// Which of the rows `R` are wanted, in which order, and how many of them.
#[derive(Debug)]
pub struct Query<R: 'static> {
    /// All of these have to hold.
    groups: Vec<Group<R>>,
    pub(super) sort: Vec<Sort<R>>,
    /// How many rows are left out at the beginning. At most [`SKIP_MAX`].
    pub skip: usize,
    /// Most rows. From 1 to [`LIMIT_MAX`].
    pub limit: usize,
    /// Whether the number of all rows that match is asked for, too.
    pub count: bool,
}

/// What is asked of one field.
#[derive(Debug)]
struct Group<R: 'static> {
    field: &'static Field<R>,
    conditions: Vec<Condition>,
    /// Whether all of them have to hold, or one.
    together: bool,
}

impl<R> Group<R> {
    fn holds(&self, row: &R) -> bool {
        let value = (self.field.value)(row);
        let mut conditions = self.conditions.iter();
        match self.together {
            true => conditions.all(|condition| condition.holds(&value)),
            false => conditions.any(|condition| condition.holds(&value)),
        }
    }

    /// A bound that holds for all rows that match: of the bounds of its conditions the `tightest` where they hold
    /// together, else the `loosest`, if each has one.
    fn bound(
        &self,
        bound: fn(&Condition) -> Option<i64>,
        tightest: fn(i64, i64) -> i64,
        loosest: fn(i64, i64) -> i64,
    ) -> Option<i64> {
        let bounds = self.conditions.iter().map(bound);
        match self.together {
            true => bounds.flatten().reduce(tightest),
            false => bounds
                .collect::<Option<Vec<_>>>()?
                .into_iter()
                .reduce(loosest),
        }
    }
}

impl<R> Query<R> {
    /// All rows, but at most `limit` of them.
    pub fn all(limit: usize) -> Self {
        Self {
            groups: Vec::new(),
            sort: Vec::new(),
            skip: 0,
            limit,
            count: false,
        }
    }

    /// Reads the keys and values of a query. A key that is no field says nothing, and counts in any case; that of a sort
    /// does not.
    ///
    /// `FF00143` for a value that cannot be one of its field, `FF00144` for null where there has to be a text,
    /// `FF00145` for the part of a text where there is none, `FF00193` for a modifier where none can be, `FF00191` and
    /// `FF00192` for more than is allowed of rows.
    pub fn new<'a>(
        fields: &'static [Field<R>],
        pairs: impl Iterator<Item = (&'a str, &'a str)> + Clone,
    ) -> Result<Self, CodedError> {
        let mut query = Self::all(LIMIT_DEFAULT);
        for (key, value) in pairs.clone() {
            if let Some(field) = fields
                .iter()
                .find(|field| field.name.eq_ignore_ascii_case(key))
            {
                query.add(field, value)?;
            }
        }
        let first = |name: &str| {
            let mut pairs = pairs.clone();
            let first = pairs.find(|(key, _)| key.eq_ignore_ascii_case(name));
            first.map(|(_, value)| value)
        };
        let is_on = |name| {
            first(name).is_some_and(|value| value.is_empty() || value.eq_ignore_ascii_case("true"))
        };
        query.skip = first("skip").map_or(0, number);
        query.limit = first("limit").map_or(LIMIT_DEFAULT, number);
        query.check_page()?;
        query.count = is_on("count");
        query.sort = sorts(
            fields,
            pairs.clone(),
            is_on("descending"),
            is_on("ascending"),
        );
        Ok(query)
    }

    fn add(&mut self, field: &'static Field<R>, value: &str) -> Result<(), CodedError> {
        let (condition, together) = Condition::new(field.name, field.kind, value)?;
        let mut groups = self.groups.iter_mut();
        match groups.find(|group| std::ptr::eq(group.field, field)) {
            Some(group) => {
                group.together |= together;
                group.conditions.push(condition);
            }
            None => self.groups.push(Group {
                field,
                conditions: vec![condition],
                together,
            }),
        }
        Ok(())
    }

    fn check_page(&mut self) -> Result<(), CodedError> {
        if self.skip > SKIP_MAX {
            let text = format!("Parameter 'skip' is above the maximum of {SKIP_MAX}");
            return Err(CodedError::bad_request("FF00191", text));
        }
        if self.limit > LIMIT_MAX {
            let text = format!("Parameter 'limit' is above the maximum of {LIMIT_MAX}");
            return Err(CodedError::bad_request("FF00192", text));
        }
        if self.limit == 0 {
            // FireFly means all rows; here a list is always bounded.
            self.limit = LIMIT_MAX;
        }
        Ok(())
    }

    /// What a list shows of rows that are all in memory.
    pub fn select(&self, rows: impl IntoIterator<Item = R>) -> Listed<R> {
        let mut listed = Collector::new(self, usize::MAX);
        for row in rows {
            // There is room for all.
            let _ = listed.offer(row, 0);
        }
        listed.finish()
    }

    /// Whether a row is asked for.
    pub fn matches(&self, row: &R) -> bool {
        self.groups.iter().all(|group| group.holds(row))
    }

    /// Whether every row is asked for.
    pub fn matches_all(&self) -> bool {
        self.groups.is_empty()
    }

    /// Whether the field of this name is looked at, to match or to sort.
    pub fn asks_for(&self, name: &str) -> bool {
        let mut sorts = self.sort.iter();
        self.group(name).is_some() || sorts.any(|sort| sort.field.name == name)
    }

    /// The texts of which the field of this name has to be one, if there is only so many.
    pub(crate) fn only_texts(&self, name: &str) -> Option<Vec<&str>> {
        let conditions = &self.group(name)?.conditions;
        conditions.iter().map(Condition::only_text).collect()
    }

    /// The lowest number that the field of this name can have.
    pub(crate) fn least_number(&self, name: &str) -> Option<i64> {
        self.group(name)?
            .bound(Condition::least_number, i64::max, i64::min)
    }

    /// The highest number that the field of this name can have.
    pub(crate) fn most_number(&self, name: &str) -> Option<i64> {
        self.group(name)?
            .bound(Condition::most_number, i64::min, i64::max)
    }

    fn group(&self, name: &str) -> Option<&Group<R>> {
        self.groups.iter().find(|group| group.field.name == name)
    }

    pub(super) fn keys(&self, row: &R) -> Vec<Key> {
        self.sort.iter().map(|sort| sort.key(row)).collect()
    }
}

/// `sort=a,-b`, as often as it is given. What is no field is left out.
fn sorts<'a, R>(
    fields: &'static [Field<R>],
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
    descending: bool,
    ascending: bool,
) -> Vec<Sort<R>> {
    let given = pairs.filter(|(key, _)| key.eq_ignore_ascii_case("sort"));
    let names = given.flat_map(|(_, value)| value.split(','));
    let mut sorts: Vec<Sort<R>> = Vec::new();
    for name in names.map(str::trim) {
        let (name, minus) = match name.strip_prefix('-') {
            Some(name) => (name, true),
            None => (name, false),
        };
        let field = fields.iter().find(|field| field.name == name);
        // Sorted by a field again, nothing changes.
        let field =
            field.filter(|field| !sorts.iter().any(|sort| std::ptr::eq(sort.field, *field)));
        sorts.extend(field.map(|field| Sort {
            field,
            descending: descending || (minus && !ascending),
        }));
    }
    sorts
}

/// What is no number is 0, as in FireFly; what is too large for one is too large.
fn number(text: &str) -> usize {
    match text.parse() {
        Ok(number) => number,
        Err(error) => match error.kind() {
            std::num::IntErrorKind::PosOverflow => usize::MAX,
            _ => 0,
        },
    }
}

#[cfg(test)]
mod tests;
