CREATE SCHEMA keytrustee;
CREATE DOMAIN keytrustee.fingerprint AS text;
CREATE DOMAIN keytrustee.handle AS text COLLATE pg_catalog."C";
CREATE DOMAIN keytrustee.hsm_key_id AS text;
CREATE DOMAIN keytrustee.short_name AS text COLLATE pg_catalog."C";
CREATE FUNCTION keytrustee.delete_organisation(which uuid) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'keytrustee', 'pg_temp'
    AS $$
begin
  perform from organisations where uuid = which for update;
  if not found then return 'absent'; end if;
  if exists (select from deposits where organisation = which and state <> 'purged')
    or exists (select from pending_puts where organisation = which) then return 'in use'; end if;
  delete from deposit_readers where deposit in (select uuid from deposits where organisation = which);
  delete from retrieval_counts where deposit in (select uuid from deposits where organisation = which);
  delete from retrieval_requests where organisation = which;
  delete from revisions where deposit in (select uuid from deposits where organisation = which);
  delete from deposits where organisation = which and state = 'purged';
  delete from groups where organisation = which;
  delete from usages where subject = which or subject in (select uuid from clients where organisation = which);
  delete from hsm_key_counts where subject = which or subject in (select uuid from clients where organisation = which);
  delete from requests where client in (select uuid from clients where organisation = which);
  delete from clients where organisation = which;
  delete from organisations where uuid = which;
  return 'deleted';
end
$$;
CREATE TABLE keytrustee.client_authorities (
    one boolean DEFAULT true NOT NULL,
    sequence integer NOT NULL,
    sealed bytea NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT client_authorities_one_check CHECK (one),
    CONSTRAINT client_authorities_sequence_check CHECK ((sequence > 0))
);
CREATE TABLE keytrustee.client_authorities_taken (
    node uuid NOT NULL,
    sequence integer NOT NULL,
    taken_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT client_authorities_taken_sequence_check CHECK ((sequence > 0))
);
CREATE TABLE keytrustee.clients (
    uuid uuid NOT NULL,
    organisation uuid NOT NULL,
    name keytrustee.short_name NOT NULL,
    state text NOT NULL,
    key_fingerprint keytrustee.fingerprint NOT NULL,
    identity_key text NOT NULL,
    recipient text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    grant_mac text NOT NULL,
    recipient_signature text,
    reenrolment_hash text,
    reenrolment_until timestamp with time zone,
    CONSTRAINT clients_check CHECK (((reenrolment_hash IS NULL) = (reenrolment_until IS NULL))),
    CONSTRAINT clients_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'active'::text, 'disabled'::text])))
);
CREATE TABLE keytrustee.deposit_readers (
    reader uuid NOT NULL,
    deposit uuid NOT NULL
);
CREATE TABLE keytrustee.deposits (
    uuid uuid NOT NULL,
    organisation uuid NOT NULL,
    owner uuid NOT NULL,
    handle keytrustee.handle NOT NULL,
    state text NOT NULL,
    revision integer NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    undelete_until timestamp with time zone,
    grant_mac text NOT NULL,
    policy text,
    CONSTRAINT deposits_revision_check CHECK ((revision >= 1)),
    CONSTRAINT deposits_state_check CHECK ((state = ANY (ARRAY['active'::text, 'disabled'::text, 'purging'::text, 'purged'::text])))
)
WITH (fillfactor='90');
CREATE TABLE keytrustee.former_revisions (
    uuid uuid NOT NULL,
    deposit uuid NOT NULL,
    revision integer NOT NULL,
    sealing text NOT NULL,
    hsm_key_id keytrustee.hsm_key_id,
    hsm_key_label text,
    scope text,
    kind text,
    canary keytrustee.fingerprint,
    sealed_at timestamp with time zone NOT NULL,
    stored bytea NOT NULL,
    grant_mac text NOT NULL,
    other_grant_mac text NOT NULL,
    swapped_back boolean DEFAULT false NOT NULL,
    CONSTRAINT former_revisions_sealing_check CHECK ((sealing = ANY (ARRAY['hsm'::text, 'pass-through'::text])))
);
ALTER TABLE ONLY keytrustee.former_revisions ALTER COLUMN stored SET STORAGE EXTERNAL;
CREATE TABLE keytrustee.groups (
    uuid uuid NOT NULL,
    organisation uuid NOT NULL,
    name keytrustee.short_name NOT NULL,
    members uuid[] NOT NULL,
    created_at timestamp with time zone NOT NULL,
    grant_mac text NOT NULL
);
CREATE TABLE keytrustee.hsm_key_counts (
    subject uuid NOT NULL,
    minute_at timestamp with time zone NOT NULL,
    count integer NOT NULL,
    CONSTRAINT hsm_key_counts_count_check CHECK ((count >= 0))
)
WITH (fillfactor='50');
CREATE TABLE keytrustee.joins (
    singleton boolean DEFAULT true NOT NULL,
    url text NOT NULL,
    realm text NOT NULL,
    canary keytrustee.fingerprint NOT NULL,
    domain text NOT NULL,
    joined_at timestamp with time zone NOT NULL,
    directed bigint,
    direction text,
    direction_mac text,
    CONSTRAINT joins_singleton_check CHECK (singleton)
);
CREATE TABLE keytrustee.migration_faults (
    migration uuid NOT NULL,
    revision_uuid uuid NOT NULL,
    deposit uuid NOT NULL,
    handle keytrustee.handle NOT NULL,
    revision integer NOT NULL,
    code text NOT NULL
);
CREATE TABLE keytrustee.migrations (
    uuid uuid NOT NULL,
    state text NOT NULL,
    source text NOT NULL,
    target text NOT NULL,
    started_by text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    total bigint NOT NULL,
    moved bigint NOT NULL,
    overtaken bigint NOT NULL,
    cursor_deposit uuid,
    cursor_revision integer,
    note text,
    CONSTRAINT migrations_moved_check CHECK ((moved >= 0)),
    CONSTRAINT migrations_overtaken_check CHECK ((overtaken >= 0)),
    CONSTRAINT migrations_state_check CHECK ((state = ANY (ARRAY['running'::text, 'paused'::text, 'moved'::text, 'finishing'::text, 'rolling-back'::text, 'finished'::text, 'rolled-back'::text]))),
    CONSTRAINT migrations_total_check CHECK ((total >= 0))
)
WITH (fillfactor='50');
CREATE TABLE keytrustee.nodes (
    node uuid NOT NULL,
    name text NOT NULL,
    url text NOT NULL,
    server_fingerprint keytrustee.fingerprint NOT NULL,
    version text NOT NULL,
    timeline integer NOT NULL,
    beat_at timestamp with time zone NOT NULL,
    key_hsm text,
    key_hsm_healthy boolean
)
WITH (fillfactor='50');
CREATE TABLE keytrustee.organisations (
    uuid uuid NOT NULL,
    name keytrustee.short_name NOT NULL,
    state text NOT NULL,
    auth_hash text,
    contacts text[] NOT NULL,
    created_at timestamp with time zone NOT NULL,
    grant_mac text NOT NULL,
    auth_expires_at timestamp with time zone,
    auth_uses_left integer,
    open boolean DEFAULT false NOT NULL,
    recovery text,
    CONSTRAINT organisations_auth_uses_left_check CHECK ((auth_uses_left >= 0)),
    CONSTRAINT organisations_state_check CHECK ((state = ANY (ARRAY['active'::text, 'suspended'::text])))
);
CREATE TABLE keytrustee.pending_puts (
    request_id uuid NOT NULL,
    client uuid NOT NULL,
    organisation uuid NOT NULL,
    deposit uuid NOT NULL,
    handle keytrustee.handle NOT NULL,
    revision integer NOT NULL,
    content_bytes integer NOT NULL,
    started_at timestamp with time zone NOT NULL,
    CONSTRAINT pending_puts_content_bytes_check CHECK ((content_bytes >= 0)),
    CONSTRAINT pending_puts_revision_check CHECK ((revision >= 1))
);
CREATE TABLE keytrustee.requests (
    request_id uuid NOT NULL,
    client uuid NOT NULL,
    request_hash keytrustee.fingerprint NOT NULL,
    reply text NOT NULL,
    created_at timestamp with time zone NOT NULL
);
CREATE TABLE keytrustee.retrieval_counts (
    deposit uuid NOT NULL,
    used integer NOT NULL,
    grant_mac text NOT NULL,
    CONSTRAINT retrieval_counts_used_check CHECK ((used >= 0))
)
WITH (fillfactor='50');
CREATE TABLE keytrustee.retrieval_requests (
    uuid uuid NOT NULL,
    deposit uuid NOT NULL,
    revision integer NOT NULL,
    organisation uuid NOT NULL,
    client uuid NOT NULL,
    client_key text NOT NULL,
    client_signature text,
    state text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    grant_mac text NOT NULL,
    CONSTRAINT retrieval_requests_revision_check CHECK ((revision >= 1)),
    CONSTRAINT retrieval_requests_state_check CHECK ((state = ANY (ARRAY['open'::text, 'withdrawn'::text, 'used'::text])))
);
CREATE TABLE keytrustee.revisions (
    uuid uuid NOT NULL,
    deposit uuid NOT NULL,
    revision integer NOT NULL,
    sealing text NOT NULL,
    content_bytes integer NOT NULL,
    hsm_key_id keytrustee.hsm_key_id,
    hsm_key_label text,
    scope text,
    kind text,
    created_at timestamp with time zone NOT NULL,
    stored bytea NOT NULL,
    canary keytrustee.fingerprint,
    sealed_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT revisions_check CHECK (((sealing = 'hsm'::text) = (hsm_key_id IS NOT NULL))),
    CONSTRAINT revisions_content_bytes_check CHECK ((content_bytes >= 0)),
    CONSTRAINT revisions_revision_check CHECK ((revision >= 1)),
    CONSTRAINT revisions_scope_check CHECK ((scope = ANY (ARRAY['deposit'::text, 'organisation'::text, 'service'::text]))),
    CONSTRAINT revisions_sealing_check CHECK ((sealing = ANY (ARRAY['hsm'::text, 'pass-through'::text])))
);
ALTER TABLE ONLY keytrustee.revisions ALTER COLUMN stored SET STORAGE EXTERNAL;
CREATE TABLE keytrustee.revocations (
    deposit uuid NOT NULL,
    organisation uuid NOT NULL,
    handle keytrustee.handle NOT NULL,
    hsm_key_ids text[] NOT NULL,
    shared_revisions integer NOT NULL,
    ordered_by text NOT NULL,
    ordered_at timestamp with time zone NOT NULL,
    done_at timestamp with time zone,
    CONSTRAINT revocations_shared_revisions_check CHECK ((shared_revisions >= 0))
);
CREATE TABLE keytrustee.schema_migrations (
    version integer NOT NULL,
    name text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL,
    program text
);
CREATE TABLE keytrustee.timelines (
    timeline integer NOT NULL,
    since timestamp with time zone NOT NULL
);
CREATE TABLE keytrustee.usages (
    subject uuid NOT NULL,
    deposits bigint NOT NULL
)
WITH (fillfactor='50');
CREATE TABLE keytrustee.verdicts (
    request uuid NOT NULL,
    trustee uuid NOT NULL,
    verdict text NOT NULL,
    signature text,
    decided_at timestamp with time zone NOT NULL,
    CONSTRAINT verdicts_check CHECK (((verdict = 'approve'::text) = (signature IS NOT NULL))),
    CONSTRAINT verdicts_verdict_check CHECK ((verdict = ANY (ARRAY['approve'::text, 'deny'::text])))
);
ALTER TABLE ONLY keytrustee.client_authorities
    ADD CONSTRAINT client_authorities_pkey PRIMARY KEY (one);
ALTER TABLE ONLY keytrustee.client_authorities_taken
    ADD CONSTRAINT client_authorities_taken_pkey PRIMARY KEY (node);
ALTER TABLE ONLY keytrustee.clients
    ADD CONSTRAINT clients_key_fingerprint_key UNIQUE (key_fingerprint);
ALTER TABLE ONLY keytrustee.clients
    ADD CONSTRAINT clients_organisation_name_key UNIQUE (organisation, name);
ALTER TABLE ONLY keytrustee.clients
    ADD CONSTRAINT clients_pkey PRIMARY KEY (uuid);
ALTER TABLE ONLY keytrustee.clients
    ADD CONSTRAINT clients_uuid_organisation_key UNIQUE (uuid, organisation);
ALTER TABLE ONLY keytrustee.deposit_readers
    ADD CONSTRAINT deposit_readers_pkey PRIMARY KEY (reader, deposit);
ALTER TABLE ONLY keytrustee.deposits
    ADD CONSTRAINT deposits_pkey PRIMARY KEY (uuid);
ALTER DOMAIN keytrustee.fingerprint
    ADD CONSTRAINT fingerprint_check CHECK (((length(VALUE) = 64) AND (VALUE ~ '^[0-9a-f]*$'::text))) NOT VALID;
ALTER TABLE ONLY keytrustee.former_revisions
    ADD CONSTRAINT former_revisions_pkey PRIMARY KEY (uuid);
ALTER TABLE ONLY keytrustee.groups
    ADD CONSTRAINT groups_organisation_name_key UNIQUE (organisation, name);
ALTER TABLE ONLY keytrustee.groups
    ADD CONSTRAINT groups_pkey PRIMARY KEY (uuid);
ALTER DOMAIN keytrustee.handle
    ADD CONSTRAINT handle_check CHECK (((length(VALUE) <= 128) AND (VALUE ~ '^[A-Za-z0-9][A-Za-z0-9._-]*$'::text))) NOT VALID;
ALTER TABLE ONLY keytrustee.hsm_key_counts
    ADD CONSTRAINT hsm_key_counts_pkey PRIMARY KEY (subject, minute_at);
ALTER DOMAIN keytrustee.hsm_key_id
    ADD CONSTRAINT hsm_key_id_check CHECK (((length(VALUE) = 32) AND (VALUE ~ '^[0-9a-f]*$'::text))) NOT VALID;
ALTER TABLE ONLY keytrustee.joins
    ADD CONSTRAINT joins_pkey PRIMARY KEY (singleton);
ALTER TABLE ONLY keytrustee.migration_faults
    ADD CONSTRAINT migration_faults_pkey PRIMARY KEY (migration, revision_uuid);
ALTER TABLE ONLY keytrustee.migrations
    ADD CONSTRAINT migrations_pkey PRIMARY KEY (uuid);
ALTER TABLE ONLY keytrustee.nodes
    ADD CONSTRAINT nodes_pkey PRIMARY KEY (node);
ALTER TABLE ONLY keytrustee.organisations
    ADD CONSTRAINT organisations_name_key UNIQUE (name);
ALTER TABLE ONLY keytrustee.organisations
    ADD CONSTRAINT organisations_pkey PRIMARY KEY (uuid);
ALTER TABLE ONLY keytrustee.pending_puts
    ADD CONSTRAINT pending_puts_pkey PRIMARY KEY (request_id, client, handle);
ALTER TABLE ONLY keytrustee.requests
    ADD CONSTRAINT requests_pkey PRIMARY KEY (request_id, client);
ALTER TABLE ONLY keytrustee.retrieval_counts
    ADD CONSTRAINT retrieval_counts_pkey PRIMARY KEY (deposit);
ALTER TABLE ONLY keytrustee.retrieval_requests
    ADD CONSTRAINT retrieval_requests_pkey PRIMARY KEY (uuid);
ALTER TABLE ONLY keytrustee.revisions
    ADD CONSTRAINT revisions_deposit_revision_key UNIQUE (deposit, revision);
ALTER TABLE ONLY keytrustee.revisions
    ADD CONSTRAINT revisions_pkey PRIMARY KEY (uuid);
ALTER TABLE ONLY keytrustee.revocations
    ADD CONSTRAINT revocations_pkey PRIMARY KEY (deposit);
ALTER TABLE ONLY keytrustee.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);
ALTER DOMAIN keytrustee.short_name
    ADD CONSTRAINT short_name_check CHECK (((length(VALUE) <= 64) AND (VALUE ~ '^[A-Za-z0-9][A-Za-z0-9._-]*$'::text))) NOT VALID;
ALTER TABLE ONLY keytrustee.timelines
    ADD CONSTRAINT timelines_pkey PRIMARY KEY (timeline);
ALTER TABLE ONLY keytrustee.usages
    ADD CONSTRAINT usages_pkey PRIMARY KEY (subject);
ALTER TABLE ONLY keytrustee.verdicts
    ADD CONSTRAINT verdicts_pkey PRIMARY KEY (request, trustee);
CREATE INDEX deposit_readers_by_deposit ON keytrustee.deposit_readers USING btree (deposit);
CREATE INDEX deposits_by_handle ON keytrustee.deposits USING btree (handle);
CREATE INDEX deposits_by_organisation ON keytrustee.deposits USING btree (organisation, handle);
CREATE UNIQUE INDEX deposits_owner_handle ON keytrustee.deposits USING btree (owner, handle) WHERE (state <> 'purged'::text);
CREATE INDEX deposits_purging ON keytrustee.deposits USING btree (uuid) WHERE (state = 'purging'::text);
CREATE INDEX former_revisions_by_deposit ON keytrustee.former_revisions USING btree (deposit);
CREATE INDEX former_revisions_by_hsm_key ON keytrustee.former_revisions USING btree (hsm_key_id) WHERE (hsm_key_id IS NOT NULL);
CREATE INDEX groups_by_member ON keytrustee.groups USING gin (members);
CREATE INDEX hsm_key_counts_by_minute ON keytrustee.hsm_key_counts USING btree (minute_at);
CREATE INDEX migrations_by_start ON keytrustee.migrations USING btree (started_at);
CREATE INDEX requests_by_creation ON keytrustee.requests USING btree (created_at);
CREATE INDEX retrieval_requests_by_deposit ON keytrustee.retrieval_requests USING btree (deposit);
CREATE INDEX retrieval_requests_by_expiry ON keytrustee.retrieval_requests USING btree (organisation, expires_at);
CREATE INDEX revisions_by_hsm_key ON keytrustee.revisions USING btree (hsm_key_id) WHERE (hsm_key_id IS NOT NULL);
CREATE INDEX revocations_by_order ON keytrustee.revocations USING btree (ordered_at);
ALTER TABLE ONLY keytrustee.clients
    ADD CONSTRAINT clients_organisation_fkey FOREIGN KEY (organisation) REFERENCES keytrustee.organisations(uuid);
ALTER TABLE ONLY keytrustee.deposit_readers
    ADD CONSTRAINT deposit_readers_deposit_fkey FOREIGN KEY (deposit) REFERENCES keytrustee.deposits(uuid);
ALTER TABLE ONLY keytrustee.deposits
    ADD CONSTRAINT deposits_owner_organisation_fkey FOREIGN KEY (owner, organisation) REFERENCES keytrustee.clients(uuid, organisation);
ALTER TABLE ONLY keytrustee.former_revisions
    ADD CONSTRAINT former_revisions_deposit_fkey FOREIGN KEY (deposit) REFERENCES keytrustee.deposits(uuid);
ALTER TABLE ONLY keytrustee.former_revisions
    ADD CONSTRAINT former_revisions_uuid_fkey FOREIGN KEY (uuid) REFERENCES keytrustee.revisions(uuid);
ALTER TABLE ONLY keytrustee.groups
    ADD CONSTRAINT groups_organisation_fkey FOREIGN KEY (organisation) REFERENCES keytrustee.organisations(uuid);
ALTER TABLE ONLY keytrustee.migration_faults
    ADD CONSTRAINT migration_faults_migration_fkey FOREIGN KEY (migration) REFERENCES keytrustee.migrations(uuid);
ALTER TABLE ONLY keytrustee.migration_faults
    ADD CONSTRAINT migration_faults_revision_uuid_fkey FOREIGN KEY (revision_uuid) REFERENCES keytrustee.revisions(uuid);
ALTER TABLE ONLY keytrustee.pending_puts
    ADD CONSTRAINT pending_puts_client_organisation_fkey FOREIGN KEY (client, organisation) REFERENCES keytrustee.clients(uuid, organisation);
ALTER TABLE ONLY keytrustee.retrieval_counts
    ADD CONSTRAINT retrieval_counts_deposit_fkey FOREIGN KEY (deposit) REFERENCES keytrustee.deposits(uuid);
ALTER TABLE ONLY keytrustee.retrieval_requests
    ADD CONSTRAINT retrieval_requests_client_organisation_fkey FOREIGN KEY (client, organisation) REFERENCES keytrustee.clients(uuid, organisation);
ALTER TABLE ONLY keytrustee.retrieval_requests
    ADD CONSTRAINT retrieval_requests_deposit_fkey FOREIGN KEY (deposit) REFERENCES keytrustee.deposits(uuid);
ALTER TABLE ONLY keytrustee.revisions
    ADD CONSTRAINT revisions_deposit_fkey FOREIGN KEY (deposit) REFERENCES keytrustee.deposits(uuid);
ALTER TABLE ONLY keytrustee.verdicts
    ADD CONSTRAINT verdicts_request_fkey FOREIGN KEY (request) REFERENCES keytrustee.retrieval_requests(uuid) ON DELETE CASCADE;
