-- Who did what, when, on whose behalf, because of what, and what the rules said to it.

-- One row for every event of the log; never changed. Holds ids and names of parts of the system, no
-- personal data. Read by GET /api/audit/events and the console's audit page.
CREATE TABLE events (
  org          uuid        NOT NULL,
  position     bigint      NOT NULL,
  org_sequence bigint      NOT NULL,
  event        uuid        NOT NULL,
  type         text        NOT NULL,
  occurred_at  timestamptz NOT NULL,
  recorded_at  timestamptz NOT NULL,
  actor        text        NOT NULL,
  origin       text        NOT NULL,
  correlation  text        NOT NULL,
  cause        bigint,
  depth        bigint      NOT NULL,
  subject_type text        NOT NULL,  -- con, msg, wal, ... : the prefix of the subject's id
  subject      uuid        NOT NULL,
  version      bigint      NOT NULL,
  contact      uuid,                  -- whom it concerns, also for events of messages and runs
  campaign     uuid,
  summary      text        NOT NULL,
  verdict      jsonb,                 -- what the gate said, with the facts that it was told
  outcome      text,                  -- of the verdict: allowed, held, refused
  evidence     jsonb                  -- what else it rests on: methods, sources, the provider's ids
);

-- The book of an org, newest first; an event by its position.
ALTER TABLE events ADD PRIMARY KEY (org, position);

-- What somebody did; what of a kind happened; what concerned a person or a campaign.
CREATE INDEX events_by_actor ON events (org, actor, position);
CREATE INDEX events_by_type ON events (org, type, position);
CREATE INDEX events_by_contact ON events (org, contact, position) WHERE contact IS NOT NULL;
CREATE INDEX events_by_campaign ON events (org, campaign, position) WHERE campaign IS NOT NULL;

-- What the rules held back or refused.
CREATE INDEX events_by_outcome ON events (org, outcome, position)
  WHERE outcome IN ('held', 'refused');

-- A period: positions and times grow together, so that a summary of each stretch of pages is enough.
CREATE INDEX events_by_time ON events USING brin (occurred_at);

-- Everything that followed from one request, and who made it: "on whose behalf".
CREATE INDEX events_by_correlation ON events (org, correlation, position);

-- Whom a message or a run concerns: later events of its stream do not say. Read by the fold alone.
CREATE TABLE links (
  org      uuid NOT NULL,
  subject  uuid NOT NULL,
  contact  uuid NOT NULL,
  campaign uuid
);

ALTER TABLE links ADD PRIMARY KEY (org, subject);
