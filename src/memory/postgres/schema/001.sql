-- What the first version keeps. Every key begins with the tenant, so that a unique key tells nobody
-- of another tenant's rows, and so that the tables can be distributed by it.
--
-- INVARIANT: a step that was released is never edited; what is to change is another step, and the
-- version of the service before it still works on its outcome.

-- What each namespace holds. Its row is what writers of a namespace wait for one another at; the
-- row of the whole tenant has the owner ''.
CREATE TABLE fabric_memory.counters (
    tenant text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    entries bigint NOT NULL DEFAULT 0,
    bytes bigint NOT NULL DEFAULT 0,
    total_length bigint NOT NULL DEFAULT 0,
    vectors bigint NOT NULL DEFAULT 0,
    dimensions integer,
    PRIMARY KEY (tenant, owner)
) WITH (fillfactor = 50);

-- owner: 'u:' and the user's id, or 's:' for the shared namespace. place: a hash of path and key,
-- null without a key. fields: what the writer said as JSON, without the embedding; beside it what
-- queries look at. Points in time are microseconds since 1970.
CREATE TABLE fabric_memory.entries (
    tenant text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    area smallint NOT NULL,
    path text COLLATE "C" NOT NULL,
    key text COLLATE "C",
    place bytea,
    digest bytea NOT NULL,
    fields text NOT NULL,
    version bigint NOT NULL,
    author text COLLATE "C",
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    last_accessed bigint NOT NULL,
    access_count bigint NOT NULL,
    expires_at bigint,
    ttl bigint,
    bytes bigint NOT NULL,
    rank smallint NOT NULL,
    agent text COLLATE "C",
    session text COLLATE "C",
    category text COLLATE "C",
    tags text[] COLLATE "C" NOT NULL,
    memory_type text COLLATE "C" NOT NULL,
    importance smallint NOT NULL,
    strength double precision NOT NULL,
    metadata jsonb,
    -- The beginnings of texts of any length, for indexes, which hold 2.7 kB a row.
    branch text COLLATE "C" NOT NULL GENERATED ALWAYS AS (left(path, 200)) STORED,
    bot text COLLATE "C" GENERATED ALWAYS AS (left(agent, 60)) STORED,
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, owner, area, place)
) WITH (fillfactor = 90);
CREATE INDEX entries_newest ON fabric_memory.entries (tenant, owner, area, created_at, id);
CREATE INDEX entries_written ON fabric_memory.entries (tenant, owner, area, updated_at, id);
CREATE INDEX entries_by_agent ON fabric_memory.entries (tenant, owner, bot, created_at, id)
    WHERE bot IS NOT NULL;
CREATE INDEX entries_by_branch ON fabric_memory.entries (tenant, owner, area, branch)
    WHERE area <> 0;
CREATE INDEX entries_expiring ON fabric_memory.entries (tenant, expires_at)
    WHERE expires_at IS NOT NULL;

-- What an entry was before its present version.
CREATE TABLE fabric_memory.versions (
    tenant text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    entry uuid NOT NULL,
    version bigint NOT NULL,
    area smallint NOT NULL,
    path text COLLATE "C" NOT NULL,
    key text COLLATE "C",
    fields text NOT NULL,
    embedding real[],
    author text COLLATE "C",
    at bigint NOT NULL,
    bytes bigint NOT NULL,
    rank smallint NOT NULL,
    PRIMARY KEY (tenant, entry, version)
);
CREATE INDEX versions_of_owner ON fabric_memory.versions (tenant, owner);

-- The terms an entry is found by, to find its postings again.
CREATE TABLE fabric_memory.documents (
    tenant text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    entry uuid NOT NULL,
    terms text[] COLLATE "C" NOT NULL,
    length integer NOT NULL,
    PRIMARY KEY (tenant, entry)
);

-- Which entries of a namespace have a term, and how often. A table of our own and no GIN index:
-- under row-level security PostgreSQL uses an index only for operators that are leakproof, which
-- equality of texts is and `@@` is not.
CREATE TABLE fabric_memory.postings (
    tenant text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    term text COLLATE "C" NOT NULL,
    entry uuid NOT NULL,
    frequency integer NOT NULL,
    length integer NOT NULL,
    PRIMARY KEY (tenant, owner, term, entry) INCLUDE (frequency, length)
);

CREATE TABLE fabric_memory.embeddings (
    tenant text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    entry uuid NOT NULL,
    vector real[] NOT NULL,
    PRIMARY KEY (tenant, owner, entry)
);
-- Random numbers do not compress.
ALTER TABLE fabric_memory.embeddings ALTER COLUMN vector SET STORAGE EXTERNAL;
ALTER TABLE fabric_memory.versions ALTER COLUMN embedding SET STORAGE EXTERNAL;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'counters', 'entries', 'versions', 'documents', 'postings', 'embeddings'
    ] LOOP
        EXECUTE format('ALTER TABLE fabric_memory.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE fabric_memory.%I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'CREATE POLICY one_tenant ON fabric_memory.%I '
            'USING (tenant = nullif(current_setting(''app.tenant'', true), '''')) '
            'WITH CHECK (tenant = nullif(current_setting(''app.tenant'', true), ''''))',
            name
        );
        EXECUTE format(
            'GRANT SELECT, INSERT, UPDATE, DELETE ON fabric_memory.%I TO fabric_memory_app', name
        );
        EXECUTE format('GRANT SELECT ON fabric_memory.%I TO fabric_memory_reader', name);
    END LOOP;
END
$$;
