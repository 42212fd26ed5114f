-- What one tenant's namespaces hold. Times are microseconds since 1970-01-01.

-- Whose database this is, and what all namespaces hold together. One row; `id` is asked for before
-- anything else is.
CREATE TABLE tenant (
  id TEXT NOT NULL,
  entries INTEGER NOT NULL DEFAULT 0 CHECK (entries >= 0),
  bytes INTEGER NOT NULL DEFAULT 0 CHECK (bytes >= 0)
) STRICT;

-- Namespaces, and what each holds. 0 is the shared one. The number of one that was erased is not
-- given again: its terms stand in the index until that is written anew.
CREATE TABLE owners (
  owner INTEGER PRIMARY KEY AUTOINCREMENT,
  user TEXT UNIQUE,
  entries INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL DEFAULT 0, -- of entries and of their versions
  terms INTEGER NOT NULL DEFAULT 0, -- the lengths of all entries
  vectors INTEGER NOT NULL DEFAULT 0,
  dimensions INTEGER NOT NULL DEFAULT 0, -- of each of the vectors
  CHECK ((owner = 0) = (user IS NULL)),
  CHECK (min(entries, bytes, terms, vectors, dimensions) >= 0)
) STRICT;
INSERT INTO owners (owner) VALUES (0);

CREATE TABLE entries (
  entry INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE,
  owner INTEGER NOT NULL REFERENCES owners,
  area INTEGER NOT NULL,
  path TEXT NOT NULL,
  key TEXT,
  content TEXT NOT NULL,
  agent TEXT,
  session TEXT,
  category TEXT,
  tags TEXT NOT NULL,        -- a JSON array
  keywords TEXT NOT NULL,    -- a JSON array
  summary TEXT,
  importance INTEGER NOT NULL,
  memory_type TEXT NOT NULL,
  strength REAL NOT NULL,
  related_ids TEXT NOT NULL, -- a JSON array
  source_ids TEXT NOT NULL,  -- a JSON array
  metadata TEXT NOT NULL,    -- a JSON object
  confidentiality INTEGER NOT NULL,
  ttl_seconds INTEGER,
  version INTEGER NOT NULL,
  author TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  last_accessed INTEGER NOT NULL,
  access_count INTEGER NOT NULL,
  expires_at INTEGER,
  created_as BLOB NOT NULL,  -- the digest of the fields it was created with
  bytes INTEGER NOT NULL,
  length INTEGER NOT NULL    -- in terms
) STRICT;

CREATE UNIQUE INDEX entries_at ON entries (owner, area, path, key);
CREATE INDEX entries_created ON entries (owner, area, created_at, id);
CREATE INDEX items_updated ON entries (owner, updated_at, id) WHERE area = 1;
CREATE INDEX entries_of_agent ON entries (owner, agent, created_at, id) WHERE agent IS NOT NULL;
CREATE INDEX entries_of_session ON entries (owner, session, created_at, id) WHERE session IS NOT NULL;
CREATE INDEX entries_of_category ON entries (owner, category, created_at, id) WHERE category IS NOT NULL;
CREATE INDEX entries_by_author ON entries (author) WHERE owner = 0;
CREATE INDEX entries_expiring ON entries (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE tags (
  owner INTEGER NOT NULL,
  tag TEXT NOT NULL,
  entry INTEGER NOT NULL,
  PRIMARY KEY (owner, tag, entry)
) STRICT, WITHOUT ROWID;

-- What entries were before. The present version is the entry.
CREATE TABLE versions (
  entry INTEGER NOT NULL,
  version INTEGER NOT NULL,
  path TEXT NOT NULL,
  key TEXT,
  fields TEXT NOT NULL,      -- a JSON object, without the embedding
  vector BLOB,
  confidentiality INTEGER NOT NULL,
  author TEXT,
  at INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  PRIMARY KEY (entry, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX versions_by_author ON versions (author);

-- `place` is the owner in the upper bits and the entry in the lower 40, so that a namespace's
-- vectors are one range.
CREATE TABLE vectors (
  place INTEGER PRIMARY KEY,
  vector BLOB NOT NULL       -- 32-bit floats, little-endian
) STRICT;

-- Each term begins with the number of its owner: what is looked up in one namespace is counted in
-- that namespace alone. A row's id is the entry's, moved up by 17 bits, and its length in those.
CREATE VIRTUAL TABLE words USING fts5 (
  terms, content = '', contentless_delete = 1, tokenize = "ascii tokenchars '_'"
);
CREATE VIRTUAL TABLE word_instances USING fts5vocab (words, instance);
CREATE VIRTUAL TABLE word_rows USING fts5vocab (words, row);
