-- Who owns what. Names that many rows share stand in tables of their own.

CREATE TABLE scopes (
  scope INTEGER PRIMARY KEY,
  upstream TEXT NOT NULL,
  kind TEXT NOT NULL,
  UNIQUE (upstream, kind)
) STRICT;

CREATE TABLE owners (
  owner INTEGER PRIMARY KEY,
  tenant TEXT NOT NULL,
  user TEXT NOT NULL,
  UNIQUE (tenant, user)
) STRICT;

-- A row without owner is a retired id: it can't be claimed, and nothing else is kept of it.
CREATE TABLE resources (
  scope INTEGER NOT NULL REFERENCES scopes,
  id TEXT NOT NULL,
  owner INTEGER REFERENCES owners,
  since INTEGER, -- seconds since 1970-01-01
  used INTEGER,  -- days since 1970-01-01
  PRIMARY KEY (scope, id),
  CHECK ((owner IS NULL) = (since IS NULL) AND (owner IS NULL) = (used IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX resources_of_owner ON resources (owner, scope, id) WHERE owner IS NOT NULL;

-- How often an owner was taken away. Whoever keeps owners in memory goes by it.
CREATE TABLE removals (count INTEGER NOT NULL) STRICT;
INSERT INTO removals VALUES (0);
