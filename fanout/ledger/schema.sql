-- The ledger of one run, version 2. Times are seconds since the epoch, UTC; `created` is ISO 8601.
-- Plain tables (no STRICT, no RETURNING), so that the SQLite 3.34 of older distributions reads and writes it.

CREATE TABLE run (
  id                INTEGER PRIMARY KEY CHECK (id = 1),
  run_id            TEXT    NOT NULL,
  task              TEXT    NOT NULL,
  created           TEXT    NOT NULL,
  changes           INTEGER NOT NULL,
  header            TEXT    NOT NULL,             -- all of the RunHeader, as JSON
  ended             REAL,                         -- NULL: the run is going on, or was cut off
  why               TEXT,
  api_calls         INTEGER NOT NULL DEFAULT 0,
  retries           INTEGER NOT NULL DEFAULT 0,
  assume_role_calls INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE accounts (
  id         TEXT    PRIMARY KEY,
  name       TEXT    NOT NULL DEFAULT '',
  state      TEXT    NOT NULL DEFAULT '',
  ou_path    TEXT    NOT NULL DEFAULT '',
  management INTEGER NOT NULL DEFAULT 0,
  direct     INTEGER NOT NULL DEFAULT 0,
  role       TEXT,
  profile    TEXT,
  tags       TEXT    NOT NULL DEFAULT '{}',       -- JSON; empty where they were not asked for
  first_job  INTEGER,                             -- NULL: its jobs are not known (yet), or there are none
  entered_at REAL,
  skipped    TEXT                                 -- why it is not entered at all
) WITHOUT ROWID;

CREATE TABLE faults (
  id      INTEGER PRIMARY KEY,                    -- a digest of the other columns, so that equal faults meet
  kind    TEXT NOT NULL,
  stage   TEXT NOT NULL,
  code    TEXT NOT NULL,
  message TEXT NOT NULL,
  hint    TEXT NOT NULL
);

CREATE TABLE jobs (
  id           INTEGER PRIMARY KEY,
  account_id   TEXT    NOT NULL REFERENCES accounts (id),
  region       TEXT,                              -- NULL: the account is not entered because of its state
  outcome      TEXT,                              -- NULL: not reached
  attempt      INTEGER NOT NULL DEFAULT 0,        -- the attempt with which it ended; 0: it never started
  started      REAL,                              -- the first attempt's start; NULL until the job has ended
  ended        REAL,
  reason       TEXT,                              -- why it was skipped
  fault        INTEGER REFERENCES faults (id),
  calls        INTEGER NOT NULL DEFAULT 0,
  retries      INTEGER NOT NULL DEFAULT 0,
  rows         INTEGER NOT NULL DEFAULT 0,        -- rows of that attempt
  finished_seq INTEGER                            -- grows in the order in which ends were committed
);

CREATE UNIQUE INDEX jobs_finished ON jobs (finished_seq) WHERE finished_seq IS NOT NULL;

CREATE TABLE attempts (
  job     INTEGER NOT NULL REFERENCES jobs (id),
  attempt INTEGER NOT NULL,
  started REAL    NOT NULL,
  ended   REAL,
  outcome TEXT,
  fault   INTEGER REFERENCES faults (id),
  calls   INTEGER NOT NULL DEFAULT 0,
  retries INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (job, attempt)
) WITHOUT ROWID;

-- What was about to be sent, committed before it was. An attempt that never ended and has one may have changed something.
CREATE TABLE intents (
  job       INTEGER NOT NULL,
  attempt   INTEGER NOT NULL,
  n         INTEGER NOT NULL,
  at        REAL    NOT NULL,
  operation TEXT    NOT NULL,                     -- service:Operation
  PRIMARY KEY (job, attempt, n)
) WITHOUT ROWID;

CREATE TABLE rows (
  job     INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  n       INTEGER NOT NULL,                       -- 0, 1, 2, ... in the order in which the attempt yielded them
  data    TEXT    NOT NULL,                       -- what the task yielded, as JSON
  PRIMARY KEY (job, attempt, n)
) WITHOUT ROWID;

CREATE TABLE notes (
  id      INTEGER PRIMARY KEY,
  key     TEXT    NOT NULL UNIQUE,
  message TEXT    NOT NULL,
  count   INTEGER NOT NULL
);
