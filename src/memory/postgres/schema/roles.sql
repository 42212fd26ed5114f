-- The roles, and the schema that the first of them owns. Roles belong to the whole server: they may
-- be there from another database, or be made there at this moment.
DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY[
        'fabric_memory_owner', 'fabric_memory_app', 'fabric_memory_reader'
    ] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role) THEN
            BEGIN
                EXECUTE format(
                    'CREATE ROLE %I NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION '
                    'NOBYPASSRLS',
                    role
                );
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
    END LOOP;
    -- Who is no superuser has to be a member of the owner to give it something.
    IF NOT pg_catalog.pg_has_role(current_user, 'fabric_memory_owner', 'MEMBER') THEN
        EXECUTE format('GRANT fabric_memory_owner TO %I', current_user);
    END IF;
END
$$;
CREATE SCHEMA IF NOT EXISTS fabric_memory AUTHORIZATION fabric_memory_owner;
GRANT USAGE ON SCHEMA fabric_memory TO fabric_memory_app, fabric_memory_reader;
