-- What tenants' administrators chose among the models that the policy files let them have.

CREATE TABLE llm_settings (
  tenant TEXT PRIMARY KEY,
  settings TEXT NOT NULL,         -- a JSON object
  chosen_by TEXT NOT NULL,
  chosen_at INTEGER NOT NULL,     -- microseconds since 1970-01-01
  change INTEGER NOT NULL UNIQUE
) STRICT;

-- The number of the last change, and how many tenants were forgotten. Whoever keeps settings in
-- memory goes by them.
CREATE TABLE llm_changes (last INTEGER NOT NULL, forgotten INTEGER NOT NULL) STRICT;
INSERT INTO llm_changes VALUES (0, 0);
