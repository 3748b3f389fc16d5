"""Where SQL writes a state: every statement of the house that sets a `state` or `status` column which a
CHECK limits to words, with the words it writes and those it compares with.

A compare is a condition on the old state that holds while the row is locked: in the UPDATE's own WHERE, in
that of ON CONFLICT DO UPDATE, or in a SELECT … FOR UPDATE of the same table from which the UPDATE has
its rows. A word that comes from outside is a parameter and written `:name`; with words beside it, it is
one of these.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import sqlglot
from sqlglot import exp

from tests.architecture.source import ROOT, SERVICES

STATE_COLUMNS = {"state", "status"}
FUNCTIONS = re.compile(
    r"^(CREATE (?:OR REPLACE )?FUNCTION|DO)\b([^;$]*\$\$.*?\$\$)?[^;]*;", re.S | re.M
)
VALIDATES = re.compile(r"ALTER TABLE \w+ VALIDATE CONSTRAINT \w+")
WRITTEN = re.compile(r"\b(?:INSERT INTO|UPDATE|MERGE INTO)\b[^;]*;")
Words = frozenset[str]


class StateColumn(NamedTuple):
    """A column that a CHECK limits to `words`; `default` is that of a row inserted without it."""

    words: Words
    default: str | None


class Write(NamedTuple):
    """What a statement does to a state `column` (`schema.table.column`). `sources`: the words it
    compares with; None for a new row. No sources at all: it compares with nothing."""

    statement: str
    column: str
    sources: Words | None
    targets: Words


class UnreadableStatement(Exception):
    """SQL that sets a state in a way that this reader does not know: teach it, or write it plainly."""


def schema_of(path: Path) -> str:
    room = path.relative_to(ROOT).parts
    return "sandbox" if "sandbox" in room else "booking" if room[0] == "loadtest" else room[0]


def sql_files() -> Iterator[Path]:
    for room in (*SERVICES, "chassis", "loadtest", "runtime"):
        yield from sorted((ROOT / room).rglob("*.sql"))


def parsed(text: str) -> Iterator[exp.Expression]:
    """Parameters named as ours (`:only`) may be words of SQL: they are told apart by a prefix. What
    is inside a function's body is read as statements of its own."""
    text = re.sub(r"(?<![:\w]):([a-z_]\w*)", r":p_\1", text)
    for statement in sqlglot.parse(FUNCTIONS.sub("", text), dialect="postgres"):
        if isinstance(statement, exp.Command):
            if VALIDATES.fullmatch(statement.sql(comments=False)):
                continue  # it reads
            raise UnreadableStatement(statement.sql())
        if statement is not None:
            yield statement
    for function in FUNCTIONS.finditer(text):
        for written in WRITTEN.findall(function[0]):
            yield sqlglot.parse_one(written, dialect="postgres")


@cache
def state_columns() -> dict[str, StateColumn]:
    """By `schema.table.column`, as the migrations make them."""
    found: dict[str, StateColumn] = {}
    for path in sql_files():
        if path.parent.name != "migrations":
            continue
        for statement in parsed(path.read_text(encoding="utf-8")):
            if isinstance(statement, exp.Create | exp.Alter):
                table = statement.find(exp.Table)
                assert table is not None or statement.kind != "TABLE", path
                for name, column in _limited_to_words(statement):
                    key = f"{schema_of(path)}.{table.name}.{name}"  # type: ignore[union-attr]
                    default = column.default or (found[key].default if key in found else None)
                    found[key] = StateColumn(column.words, default)
    return found


def _limited_to_words(statement: exp.Expression) -> Iterator[tuple[str, StateColumn]]:
    defaults = {
        column.name: default.this.name
        for column in statement.find_all(exp.ColumnDef)
        if (default := column.find(exp.DefaultColumnConstraint)) is not None
    }
    for check in statement.find_all(exp.CheckColumnConstraint, exp.Check):
        rule = check.this.unnest()
        if isinstance(rule, exp.In) and rule.this.name in STATE_COLUMNS:
            words = frozenset(word.name for word in rule.expressions)
            yield rule.this.name, StateColumn(words, defaults.get(rule.this.name))


@cache
def writes() -> tuple[Write, ...]:
    """Every one in the house's SQL."""
    return tuple(
        write
        for path in sql_files()
        for write in writes_in(path.read_text(encoding="utf-8"), schema_of(path), path.stem)
    )


def writes_in(text: str, schema: str, file: str = "") -> Iterator[Write]:
    """Those of a file's text. Named queries go by their names, the statements of a migration by its."""
    first, *named = re.split(r"^-- name: ", text, flags=re.M)
    queries = [(file, first)] if not named else []
    queries += [(re.split(r"[\^$!<*\s(]", query, maxsplit=1)[0], query) for query in named]
    for name, query in queries:
        sql = re.sub(r"\A.*\n", "", query) if named else query
        for statement in parsed(sql):
            for found in statement.find_all(exp.Merge):
                raise UnreadableStatement(f"{name}: {found.sql()}")
            for insert in statement.find_all(exp.Insert):
                yield from _inserted(insert, schema, name)
            for update in statement.find_all(exp.Update):
                yield from _updated(update, statement, schema, name)


def _state_column(table: exp.Table, schema: str) -> tuple[str, StateColumn, str] | None:
    """Its key, what it may be, and the column's own name."""
    for name in STATE_COLUMNS:
        key = f"{schema}.{table.name}.{name}"
        if key in state_columns():
            return key, state_columns()[key], name
    return None


def _inserted(insert: exp.Insert, schema: str, statement: str) -> Iterator[Write]:
    table = insert.find(exp.Table)
    assert table is not None
    found = _state_column(table, schema)
    if found is None:
        return
    key, column, name = found
    if not isinstance(insert.this, exp.Schema):
        raise UnreadableStatement(f"{statement}: inserts without naming columns")
    names = [each.name for each in insert.this.expressions]
    if name in names:
        targets = _targets(_value_at(insert, names.index(name), statement), statement)
    elif column.default is not None:
        targets = frozenset({column.default})
    else:
        raise UnreadableStatement(f"{statement}: {key} has no default")
    yield Write(statement, key, None, targets)

    conflict = insert.args.get("conflict")
    for assignment in conflict.expressions if conflict is not None else ():
        if assignment.this.name == name:
            value = assignment.expression
            again = isinstance(value, exp.Column) and value.table.lower() == "excluded"
            where = conflict.args.get("where")
            sources = _compared(where, _names_of(table), name, column.words)
            to = targets if again else _targets(value, statement)
            yield Write(statement, key, sources or frozenset(), to)


def _value_at(insert: exp.Insert, place: int, statement: str) -> exp.Expression:
    source = insert.expression
    rows = source.expressions if isinstance(source, exp.Values) else [source]
    if len(rows) != 1 or any(isinstance(each, exp.Star) for each in rows[0].expressions):
        raise UnreadableStatement(f"{statement}: which value is the state?")
    value: exp.Expression = rows[0].expressions[place]
    return value


def _updated(
    update: exp.Update, statement: exp.Expression, schema: str, query: str
) -> Iterator[Write]:
    table = update.this
    found = _state_column(table, schema)
    if found is None:
        return
    key, column, name = found
    for assignment in update.expressions:
        if not isinstance(assignment, exp.EQ):
            raise UnreadableStatement(f"{query}: {assignment.sql()}")
        if assignment.this.name != name:
            continue
        where = update.args.get("where")
        sources = _compared(where, _names_of(table), name, column.words)
        if sources is None and _joined_by_key(where, table):
            ctes = {cte.alias: cte.this for cte in statement.find_all(exp.CTE)}
            sources = _locked(update, table.name, name, column.words, ctes)
        yield Write(query, key, sources or frozenset(), _targets(assignment.expression, query))


def _targets(value: exp.Expression, statement: str) -> Words:
    """The words that a value may be."""
    match value:
        case exp.Literal():
            return frozenset({value.name})
        case exp.Placeholder():
            return frozenset({f":{value.name.removeprefix('p_')}"})
        case exp.Column():  # of a list that the caller gives
            return frozenset({f":{value.name}"})
        case exp.Cast() | exp.Paren():
            return _targets(value.this, statement)
        case exp.Case():
            outcomes = [each.args["true"] for each in value.args["ifs"]]
            outcomes.append(value.args["default"])
            return frozenset[str]().union(*(_targets(each, statement) for each in outcomes))
    raise UnreadableStatement(f"{statement}: writes the state {value.sql()}")


def _names_of(table: exp.Table) -> set[str]:
    """What stands before a column of it: its alias, else its name, or nothing."""
    return {table.alias_or_name, ""}


def _compared(
    condition: exp.Expression | None, names: set[str], column: str, words: Words
) -> Words | None:
    """The words that the column has where `condition` holds; None when it does not say."""

    def is_state(side: exp.Expression) -> bool:
        return isinstance(side, exp.Column) and side.name == column and side.table in names

    found: Words | None = None
    match condition:
        case exp.Where() | exp.Paren():
            found = _compared(condition.this, names, column, words)
        case exp.And():
            left = _compared(condition.left, names, column, words)
            found = _both(left, _compared(condition.right, names, column, words))
        case exp.Or():
            left = _compared(condition.left, names, column, words)
            right = _compared(condition.right, names, column, words)
            if left is not None and right is not None and not parameters(left | right):
                found = left | right
        case exp.EQ() if is_state(condition.this):
            found = _equal_to(condition.expression)
        case exp.In() if is_state(condition.this) and condition.expressions:
            found = frozenset(word.name for word in condition.expressions)
        case exp.NEQ() if is_state(condition.this):
            found = words - {condition.expression.name}
        case exp.Case() if is_state(condition.this) and condition.args["default"] == exp.false():
            found = frozenset(each.this.name for each in condition.args["ifs"])
        case exp.Not(this=exp.In() as inner) if is_state(inner.this) and inner.expressions:
            found = words - {word.name for word in inner.expressions}
    return found


def _equal_to(value: exp.Expression) -> Words | None:
    value = value.unnest()
    if isinstance(value, exp.Any):
        value = value.this.unnest()
    if isinstance(value, exp.Cast):
        value = value.this
    if isinstance(value, exp.Literal):
        return frozenset({value.name})
    if isinstance(value, exp.Placeholder):
        return frozenset({f":{value.name.removeprefix('p_')}"})
    return None


def _both(one: Words | None, other: Words | None) -> Words | None:
    """With a parameter and words: the parameter, of these words only."""
    if one is None or other is None:
        return one if other is None else other
    given = parameters(one | other)
    if one <= given or other <= given:
        return one | other
    return one & other | given


def parameters(words: Words) -> Words:
    return frozenset(word for word in words if word.startswith(":"))


def _joined_by_key(where: exp.Where | None, table: exp.Table) -> bool:
    """Whether a row of `table` is updated only together with the row that it was locked as."""
    if where is None:
        return False
    conditions = where.this.flatten() if isinstance(where.this, exp.And) else [where.this]
    return any(
        isinstance(condition, exp.EQ)
        and isinstance(condition.this, exp.Column)
        and isinstance(condition.expression, exp.Column)
        and condition.this.name == condition.expression.name
        and condition.this.table == table.alias_or_name != condition.expression.table
        for condition in conditions
    )


def _locked(
    query: exp.Expression,
    table: str,
    column: str,
    words: Words,
    ctes: dict[str, exp.Expression],
    *,
    asked: tuple[exp.Expression, ...] = (),
) -> Words | None:
    """The words that a state has in the rows which `query` gets from a SELECT … FOR UPDATE. `asked`: what is
    true of its rows beside, because whoever reads them asks for a column that says so."""
    found: Words | None = None
    for relation in _relations(query):
        inner = relation.this if isinstance(relation, exp.Lateral | exp.Subquery) else relation
        inner = inner.unnest() if isinstance(inner, exp.Subquery) else inner
        if isinstance(inner, exp.Table) and inner.name in ctes:
            inner = ctes[inner.name]
        if isinstance(inner, exp.Table):
            if inner.name == table and _is_locked(query, inner):
                for condition in (query.args.get("where"), *asked):
                    found = _both(found, _compared(condition, _names_of(inner), column, words))
        elif isinstance(inner, exp.Select):
            so = tuple(_asked(query.args.get("where"), inner))
            found = _both(found, _locked(inner, table, column, words, ctes, asked=so))
    return found


def _asked(where: exp.Where | None, inner: exp.Select) -> Iterator[exp.Expression]:
    """What `inner` calls by the names of columns that `where` wants to be true."""
    if where is None:
        return
    conditions = where.this.flatten() if isinstance(where.this, exp.And) else [where.this]
    wanted = {one.name for one in conditions if isinstance(one, exp.Column)}
    for each in inner.expressions:
        if isinstance(each, exp.Alias) and each.alias in wanted:
            yield each.this


def _relations(query: exp.Expression) -> Iterator[exp.Expression]:
    """What it has rows from; not what an outer join adds."""
    source = query.args.get("from_")
    if source is None:
        return
    yield source.this
    joins = [*(query.args.get("joins") or ()), *(source.this.args.get("joins") or ())]
    yield from (join.this for join in joins if not join.side)


def _is_locked(query: exp.Expression, table: exp.Table) -> bool:
    return any(
        lock.args.get("update")
        and (
            not lock.expressions or table.alias_or_name in {each.name for each in lock.expressions}
        )
        for lock in query.args.get("locks") or ()
    )
