"""The tables of a run's database, and how those of older versions become the present ones."""

import re

from eureka_agent.store.rows import CANDIDATE_STATES, ROLES, RUN_STATUSES, TRAINING_STATES

VERSION = 6


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"CHECK ({column} IN ({', '.join(repr(value) for value in values)}))"


_EXCHANGES = """
CREATE TABLE exchanges (
    id INTEGER PRIMARY KEY AUTOINCREMENT, time REAL NOT NULL, role TEXT NOT NULL,
    generation INTEGER NOT NULL, slot INTEGER NOT NULL, attempt INTEGER NOT NULL,
    model TEXT NOT NULL, messages TEXT NOT NULL, reply TEXT NOT NULL, reasoning TEXT NOT NULL,
    finish_reason TEXT NOT NULL, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
    estimated INTEGER NOT NULL, cost REAL, seconds REAL NOT NULL,
    UNIQUE (role, generation, slot, attempt)
);
"""

_CONVERSATIONS = f"""
CREATE TABLE drafts (
    candidate_id INTEGER NOT NULL REFERENCES candidates (id), attempt INTEGER NOT NULL,
    text TEXT NOT NULL, verdict TEXT NOT NULL,
    PRIMARY KEY (candidate_id, attempt)
);
{_EXCHANGES}
"""

_INSIGHTS = """
CREATE TABLE insights (
    generation INTEGER PRIMARY KEY, distances TEXT NOT NULL, matrix TEXT NOT NULL,
    peers TEXT NOT NULL, alarms TEXT NOT NULL, said TEXT NOT NULL
);
"""

# A column of its own, here as for older runs, so that the tables of all runs are the same.
_ANALYSES = """
ALTER TABLE insights ADD COLUMN reviews TEXT NOT NULL DEFAULT '{}';
CREATE TABLE analyses (
    candidate_id INTEGER PRIMARY KEY REFERENCES candidates (id),
    failures TEXT NOT NULL, lens TEXT NOT NULL, opinion TEXT NOT NULL
);
"""

_MEASURE = """
ALTER TABLE run ADD COLUMN measure TEXT NOT NULL DEFAULT '{}';
ALTER TABLE candidates ADD COLUMN progress REAL;
ALTER TABLE trainings ADD COLUMN progress REAL;
ALTER TABLE evaluations ADD COLUMN progress REAL;
"""

_REFLECTIONS = """
ALTER TABLE candidates ADD COLUMN reflections TEXT NOT NULL DEFAULT '{}';
"""

# Evaluations and events are numbered with AUTOINCREMENT: a viewer that asks for all since number n
# must not miss rows because a training run began again and its old rows, with their numbers, went.
SCHEMA = f"""
CREATE TABLE run (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    environment TEXT NOT NULL, environment_source TEXT NOT NULL, goal TEXT NOT NULL,
    status TEXT NOT NULL {_one_of("status", RUN_STATUSES)},
    created REAL NOT NULL, updated REAL NOT NULL,
    seed INTEGER NOT NULL, config TEXT NOT NULL, sandbox TEXT NOT NULL DEFAULT '',
    wall_seconds REAL NOT NULL DEFAULT 0, env_steps INTEGER NOT NULL DEFAULT 0,
    train_seconds REAL NOT NULL DEFAULT 0,
    best_candidate INTEGER REFERENCES candidates (id),
    phase TEXT NOT NULL DEFAULT '', failure TEXT
);
CREATE TABLE candidates (
    id INTEGER PRIMARY KEY, generation INTEGER NOT NULL, slot INTEGER NOT NULL,
    parents TEXT NOT NULL, designer TEXT NOT NULL, text TEXT NOT NULL, thought TEXT NOT NULL,
    note TEXT NOT NULL, lesson TEXT NOT NULL DEFAULT '', reflection TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL DEFAULT 'proposed' {_one_of("state", CANDIDATE_STATES)},
    verdict TEXT NOT NULL DEFAULT '[]',
    fitness REAL, own_return REAL, checkpoint_step INTEGER, failure TEXT,
    created REAL NOT NULL, finished REAL, twin INTEGER,
    UNIQUE (generation, slot)
);
CREATE TABLE trainings (
    id INTEGER PRIMARY KEY,
    role TEXT NOT NULL {_one_of("role", ROLES)},
    candidate_id INTEGER REFERENCES candidates (id),
    seed INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting' {_one_of("state", TRAINING_STATES)},
    steps_done INTEGER NOT NULL DEFAULT 0, steps_total INTEGER NOT NULL,
    ranking_fitness REAL, reporting_fitness REAL, own_return REAL, checkpoint_step INTEGER,
    reproduced INTEGER, failure TEXT
);
-- NULLs are distinct to UNIQUE, so the baselines, which have no candidate, count as candidate 0.
CREATE UNIQUE INDEX one_training ON trainings (role, ifnull(candidate_id, 0), seed);
CREATE INDEX trainings_of_candidate ON trainings (candidate_id);
CREATE TABLE evaluations (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    training_id INTEGER NOT NULL REFERENCES trainings (id) ON DELETE CASCADE,
    step INTEGER NOT NULL,
    fitness REAL, own_return REAL, episode_length REAL, ended_early REAL,
    components TEXT NOT NULL, diagnostics TEXT NOT NULL,
    UNIQUE (training_id, step)
);
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time REAL NOT NULL, kind TEXT NOT NULL,
    candidate_id INTEGER REFERENCES candidates (id),
    text TEXT NOT NULL
);
{_CONVERSATIONS}
{_INSIGHTS}
{_ANALYSES}
{_MEASURE}
{_REFLECTIONS}
PRAGMA user_version = {VERSION};
"""
MIGRATIONS = {
    1: f"""
ALTER TABLE candidates ADD COLUMN lesson TEXT NOT NULL DEFAULT '';
ALTER TABLE candidates ADD COLUMN reflection TEXT NOT NULL DEFAULT '';
{_CONVERSATIONS}
PRAGMA user_version = 2;
""",
    2: f"""
ALTER TABLE candidates ADD COLUMN twin INTEGER;
{_INSIGHTS}
PRAGMA user_version = 3;
""",
    3: f"""
ALTER TABLE exchanges RENAME TO earlier_exchanges;
{_EXCHANGES}
INSERT INTO exchanges SELECT * FROM earlier_exchanges;
DROP TABLE earlier_exchanges;
{_ANALYSES}
PRAGMA user_version = 4;
""",
    4: f"""
{_MEASURE}
PRAGMA user_version = 5;
""",
    5: f"""
{_REFLECTIONS}
UPDATE candidates SET reflections = json_object('training', reflection) WHERE reflection != '';
PRAGMA user_version = 6;
""",
}
"""What makes a database of that schema version one of the next."""
TABLES = frozenset(re.findall(r"CREATE TABLE (\w+)", SCHEMA))
INDEXES = frozenset(
    " ".join(sql.split()) for sql in re.findall(r"CREATE (?:UNIQUE )?INDEX [^;]+", SCHEMA)
)
"""All indexes of a run's database, each as the text that makes it."""
