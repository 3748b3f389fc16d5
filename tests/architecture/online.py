"""What a migration may do while the platform sells (ADR 55): each statement is one that holds its locks for
an instant, or one that others do not wait for. An expand also leaves everything that older code uses.

What this reader does not know is refused: teach it.
"""

import re
from collections.abc import Iterator, Sequence

import sqlglot
from sqlglot import exp

from chassis.postgres.migration_files import Migration, Phase
from tests.architecture.states import FUNCTIONS

CONSTANT = (exp.Literal, exp.Boolean, exp.Null, exp.CurrentTimestamp, exp.CurrentDate)
UNREAD_BUT_FINE = [
    r"ALTER TABLE \S+ ADD CONSTRAINT \S+ (UNIQUE|PRIMARY KEY) USING INDEX \S+",
    r"ALTER TYPE \S+ ADD VALUE .+",
]
VALIDATES = r"ALTER TABLE \S+ VALIDATE CONSTRAINT \S+"


def offences(migration: Migration) -> list[str]:
    """Why it may not run beside a sale, a sentence each."""
    statements = list(_statements(migration.text))
    new = {_table(one) for one in statements if isinstance(one, exp.Create) and one.kind == "TABLE"}
    found = [said for one in statements for said in _of_statement(one, new, migration)]
    if not migration.transactional and len(statements) + _functions(migration.text) != 1:
        found.append(
            "without a transaction a file has one statement, so that a retry repeats no other"
        )
    validating = [one for one in statements if _is(one, VALIDATES)]
    if validating and len(statements) > 1:
        found.append("VALIDATE CONSTRAINT reads the whole table: in a file of its own, after the lock of"
                     " what added it is gone")  # fmt: skip
    return found


def _statements(text: str) -> Iterator[exp.Expression]:
    for one in sqlglot.parse(FUNCTIONS.sub("", text), dialect="postgres"):
        if one is not None and not isinstance(one, exp.Semicolon):
            yield one


def _functions(text: str) -> int:
    return len(list(FUNCTIONS.finditer(text)))


def _is(statement: exp.Expression, pattern: str) -> bool:
    if not isinstance(statement, exp.Command):
        return False
    text = " ".join(statement.sql(dialect="postgres", comments=False).split())
    return re.fullmatch(pattern, text, re.IGNORECASE) is not None


def _table(statement: exp.Expression) -> str:
    table = statement.find(exp.Table)
    return table.name if table is not None else ""


def _of_statement(statement: exp.Expression, new: set[str], migration: Migration) -> Iterator[str]:
    expanding = migration.phase is Phase.EXPAND
    match statement:
        case exp.Create(kind="INDEX"):
            if _table(statement.this) not in new:
                yield from _index(statement, migration)
        case exp.Create(kind="TABLE" | "VIEW" | "TRIGGER" | "TYPE" | "SEQUENCE"):
            pass
        case exp.Insert() | exp.Comment():
            pass
        case exp.Update() | exp.Delete():
            if _table(statement) not in new:
                yield "rows are changed in batches, by DO … COMMIT without a transaction"
        case exp.Drop():
            yield from _drop(statement, expanding=expanding)
        case exp.Alter(kind="TABLE"):
            if _table(statement) not in new:
                for action in statement.args["actions"]:
                    yield from _action(action, statement, expanding=expanding)
        case _ if any(_is(statement, fine) for fine in (*UNREAD_BUT_FINE, VALIDATES)):
            pass
        case _:
            yield f"is not known to be harmless: {statement.sql(dialect='postgres')[:80]}"


def _drop(statement: exp.Drop, *, expanding: bool) -> Iterator[str]:
    if expanding:
        yield "only a contract drops"
    if statement.args.get("kind") == "INDEX" and not statement.args.get("concurrently"):
        yield "DROP INDEX CONCURRENTLY lets others go on"


def _index(statement: exp.Create, migration: Migration) -> Iterator[str]:
    if not statement.args.get("concurrently") or migration.transactional:
        yield "an index on a table with rows: CREATE INDEX CONCURRENTLY, and `-- transaction: no`"
    elif not statement.args.get("exists") or migration.index is None:
        yield "an index built without a transaction has a name and IF NOT EXISTS, to be run again"


def _action(action: exp.Expression, alter: exp.Alter, *, expanding: bool) -> Iterator[str]:
    match action:
        case exp.ColumnDef():
            yield from _column(action)
        case exp.AddConstraint():
            if not alter.args.get("not_valid"):
                yield "ADD CONSTRAINT … NOT VALID, and VALIDATE CONSTRAINT in the next file"
        case exp.AlterColumn():
            yield from _alter_column(action, expanding=expanding)
        case exp.Drop() | exp.RenameColumn() | exp.AlterRename():
            if expanding and not _is_replaced(action, alter):
                yield "only a contract drops or renames"
        case exp.AlterSet():
            pass
        case _:
            yield f"is not known to be harmless: {action.sql(dialect='postgres')[:80]}"


def _is_replaced(action: exp.Expression, alter: exp.Alter) -> bool:
    """DROP CONSTRAINT of a rule that the same statement adds anew, under the same name."""
    if not isinstance(action, exp.Drop) or action.args.get("kind") != "CONSTRAINT":
        return False
    added = {rule.name for rule in alter.find_all(exp.Constraint)}
    return {one.name for one in action.args["tables"]} <= added


def _column(column: exp.ColumnDef) -> Iterator[str]:
    kinds: Sequence[exp.Expression] = [one.args["kind"] for one in column.constraints]
    default = next(
        (one.this for one in kinds if isinstance(one, exp.DefaultColumnConstraint)), None
    )
    if default is not None and not _is_constant(default):
        yield "ADD COLUMN with a default that is computed for each row writes the whole table anew"
    if any(isinstance(one, exp.NotNullColumnConstraint) for one in kinds) and default is None:
        yield "ADD COLUMN … NOT NULL without a default refuses the rows of older code"
    for one in kinds:
        if not isinstance(one, exp.DefaultColumnConstraint | exp.NotNullColumnConstraint):
            yield "ADD COLUMN with a constraint or a computed value reads or writes the whole table"


def _is_constant(default: exp.Expression) -> bool:
    if isinstance(default, exp.Cast | exp.Neg | exp.Paren):
        return _is_constant(default.this)
    if isinstance(default, exp.Array):
        return all(_is_constant(each) for each in default.expressions)
    return isinstance(default, CONSTANT)


def _alter_column(action: exp.AlterColumn, *, expanding: bool) -> Iterator[str]:
    if action.args.get("dtype") is not None:
        yield "a new type writes the whole table anew: add a column of that type beside the old one"
    elif action.args.get("allow_null") is False:
        yield "SET NOT NULL reads the whole table: CHECK (… IS NOT NULL) NOT VALID, then VALIDATE"
    elif action.args.get("drop") and action.args.get("allow_null") is None and expanding:
        yield "only a contract drops a default"
