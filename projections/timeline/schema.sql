-- Everything that happened between an org and a person.

-- One row for each interaction; never changed. Read by GET /api/contacts/{id}/timeline. A message is
-- one entry, where it was planned or received: what became of it stands in `messages`.
CREATE TABLE entries (
  org          uuid        NOT NULL,
  contact      uuid        NOT NULL,
  position     bigint      NOT NULL,
  event        uuid        NOT NULL,  -- the id of the event
  kind         text        NOT NULL,  -- message, consent, contact, workflow
  type         text        NOT NULL,  -- contact.tagged
  occurred_at  timestamptz NOT NULL,
  recorded_at  timestamptz NOT NULL,
  title        text        NOT NULL,  -- says what happened, without personal data
  message      uuid,
  campaign     uuid,
  workflow     uuid,
  run          uuid,
  actor        text        NOT NULL,
  origin       text        NOT NULL,
  correlation  text        NOT NULL,
  cause        bigint,                -- position of the event that this one reacts to
  conversation text        NOT NULL   -- sms +12025550199: the channel and our own address; else empty
);

-- A contact's timeline, newest first, a page at a time.
ALTER TABLE entries ADD PRIMARY KEY (org, contact, position);

-- A conversation of it.
CREATE INDEX entries_by_conversation ON entries (org, contact, conversation, position)
  WHERE conversation <> '';

-- What an event led to.
CREATE INDEX entries_by_cause ON entries (org, cause, position) WHERE cause IS NOT NULL;

-- One row a message, as it stands now. Read by GET /api/messages, /api/messages/{id} and joined to
-- the timeline.
CREATE TABLE messages (
  org           uuid        NOT NULL,
  message       uuid        NOT NULL,
  version       bigint      NOT NULL,
  contact       uuid        NOT NULL,
  direction     text        NOT NULL,  -- outbound, inbound
  channel       text        NOT NULL,
  purpose       text,                  -- null: inbound
  our_address   text        NOT NULL,
  their_address text,                  -- null: erased
  body          text,                  -- null: erased
  segment_count bigint      NOT NULL,
  encoding      text,
  status        text        NOT NULL,
  reason        text,                  -- why it waits or was skipped
  verdict       jsonb,
  price_micros  bigint      NOT NULL,
  provider_id   text,
  error_code    text,
  keyword       text,                  -- inbound: opt_out, opt_in, help, unsure
  campaign      uuid,
  workflow      uuid,
  run           uuid,
  step          text,
  attempt       bigint      NOT NULL,
  held_until    timestamptz,
  sent_at       timestamptz,
  delivered_at  timestamptz,
  subject       text,                  -- of emails
  html          text,
  media         jsonb,                 -- addresses of pictures or of a recording
  call_outcome  text,                  -- answered, voicemail, no_answer, busy, failed, cancelled
  call_seconds  bigint,
  opened_at     timestamptz,           -- by a person
  machine_opened_at timestamptz,       -- by a scanner or proxy
  clicked_at    timestamptz,           -- by a person
  complained_at timestamptz,
  created_at    timestamptz NOT NULL,
  updated_at    timestamptz NOT NULL,
  position      bigint      NOT NULL,  -- where it was planned or received
  last_position bigint      NOT NULL
) WITH (fillfactor = 80);  -- a message changes five times: let the new versions stay on their page

-- One message.
ALTER TABLE messages ADD PRIMARY KEY (org, message);

-- The list, newest first; the commonest states are found by walking it.
CREATE INDEX messages_by_position ON messages (org, position);

-- A contact's messages; a campaign's; a run's.
CREATE INDEX messages_by_contact ON messages (org, contact, position);
CREATE INDEX messages_by_campaign ON messages (org, campaign, position) WHERE campaign IS NOT NULL;
CREATE INDEX messages_by_run ON messages (org, run, position) WHERE run IS NOT NULL;

-- The list by the states that are rare and looked for. Not all states: each further change of an
-- indexed value costs an entry in every index.
CREATE INDEX messages_troubled ON messages (org, status, position)
  WHERE status IN ('held', 'failed', 'skipped', 'cancelled', 'unknown');

-- Whose run it is: a run's later events name only the run. Read by the fold alone.
CREATE TABLE runs (
  org      uuid NOT NULL,
  run      uuid NOT NULL,
  contact  uuid NOT NULL,
  workflow uuid NOT NULL
);

ALTER TABLE runs ADD PRIMARY KEY (org, run);
