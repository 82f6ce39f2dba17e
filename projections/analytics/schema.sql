-- Facts that every figure is a query over: nothing here is a counter.

-- One narrow row a message. Read by GET /api/analytics/messages, by GET /api/analytics/messages/rows
-- (what a figure counts), and by the counts of campaigns and workflows.
CREATE TABLE message_facts (
  org           uuid   NOT NULL,
  message       uuid   NOT NULL,
  contact       uuid   NOT NULL,
  campaign      uuid,
  workflow      uuid,
  run           uuid,
  step          text,
  channel       text   NOT NULL,
  direction     text   NOT NULL,
  status        text   NOT NULL,
  reason        text,            -- why it was skipped or waits
  day           date   NOT NULL, -- UTC, by the org's clock, when it was planned or received
  segment_count bigint NOT NULL,
  cost_micros   bigint NOT NULL, -- charged and not given back
  opened        boolean NOT NULL, -- by a person, as far as that can be told
  clicked       boolean NOT NULL,
  complained    boolean NOT NULL,
  replied       boolean NOT NULL, -- the person wrote within 7 days, and nothing came between
  opted_out     boolean NOT NULL, -- the person revoked within 7 days, and nothing came between
  converted     boolean NOT NULL, -- the contact got a tag `converted` within 30 days
  connected     boolean NOT NULL  -- a call that somebody or something answered
) WITH (fillfactor = 80);

-- A message's events find it; what a figure counts, newest first (ids sort by creation).
ALTER TABLE message_facts ADD PRIMARY KEY (org, message);

-- Figures of a period; of a campaign; of a workflow.
CREATE INDEX message_facts_by_day ON message_facts (org, day, message);
CREATE INDEX message_facts_by_campaign ON message_facts (org, campaign, message)
  WHERE campaign IS NOT NULL;
CREATE INDEX message_facts_by_workflow ON message_facts (org, workflow, step, message)
  WHERE workflow IS NOT NULL;

-- The last message of a channel that went out to a contact: what a reply, a revocation or a conversion
-- is credited to. Read by the fold alone.
CREATE TABLE last_messages (
  org     uuid        NOT NULL,
  contact uuid        NOT NULL,
  channel text        NOT NULL,
  message uuid        NOT NULL,
  sent_at timestamptz NOT NULL
) WITH (fillfactor = 80);

ALTER TABLE last_messages ADD PRIMARY KEY (org, contact, channel);

-- Charges that belong to no message that we know. Part of the cost of their day.
CREATE TABLE other_charges (
  org           uuid   NOT NULL,
  position      bigint NOT NULL,
  day           date   NOT NULL,
  resource_type text   NOT NULL,
  amount_micros bigint NOT NULL
);

ALTER TABLE other_charges ADD PRIMARY KEY (org, position);

-- Which message the provider means: a received text is charged under the provider's id. Read by the
-- fold alone.
CREATE TABLE received (
  org         uuid NOT NULL,
  provider_id text NOT NULL,
  message     uuid NOT NULL
);

ALTER TABLE received ADD PRIMARY KEY (org, provider_id);

-- One row a campaign. Read by GET /api/campaigns and /api/campaigns/{id}.
CREATE TABLE campaigns (
  org           uuid        NOT NULL,
  campaign      uuid        NOT NULL,
  version       bigint      NOT NULL,
  name          text        NOT NULL,
  segment       uuid        NOT NULL,
  channel       text        NOT NULL,
  purpose       text        NOT NULL,
  body          text        NOT NULL,
  subject       text,
  html          text,
  voicemail     text,
  template      uuid,
  template_version bigint,
  holdout_percent bigint,
  per_minute    bigint,                -- its pace
  status        text        NOT NULL,  -- draft, running, completed, cancelled
  planned_count bigint      NOT NULL,  -- the audience as it was fixed at launch
  launched_at   timestamptz,
  ended_at      timestamptz,           -- completed or cancelled
  created_at    timestamptz NOT NULL,
  updated_at    timestamptz NOT NULL,
  position      bigint      NOT NULL
);

-- One campaign; the list walks an org's prefix backwards (ids sort by creation).
ALTER TABLE campaigns ADD PRIMARY KEY (org, campaign);

-- One row a workflow: its newest version. Read by GET /api/workflows and /api/workflows/{id}.
CREATE TABLE workflows (
  org            uuid        NOT NULL,
  workflow       uuid        NOT NULL,
  version        bigint      NOT NULL,
  name           text        NOT NULL,
  status         text        NOT NULL,  -- active, paused
  latest_version bigint      NOT NULL,
  trigger        text        NOT NULL,  -- tag_added:webinar, contact_created, message_received, manual
  step_count     bigint      NOT NULL,
  source         text        NOT NULL,
  created_at     timestamptz NOT NULL,
  updated_at     timestamptz NOT NULL,
  position       bigint      NOT NULL
);

ALTER TABLE workflows ADD PRIMARY KEY (org, workflow);

-- One row a run. Read by GET /api/workflows/{id}/runs and /api/runs/{id}; who waits where.
CREATE TABLE runs (
  org              uuid        NOT NULL,
  run              uuid        NOT NULL,
  version          bigint      NOT NULL,
  workflow         uuid        NOT NULL,
  workflow_version bigint      NOT NULL,
  contact          uuid        NOT NULL,
  status           text        NOT NULL,  -- running, waiting, completed, failed
  step             text,                  -- where it stands; null: it is over
  waiting_until    timestamptz,
  reason           text,                  -- why it failed
  advanced_count   bigint      NOT NULL,
  started_at       timestamptz NOT NULL,
  ended_at         timestamptz,
  updated_at       timestamptz NOT NULL,
  position         bigint      NOT NULL,  -- where it started
  last_position    bigint      NOT NULL
) WITH (fillfactor = 85);

ALTER TABLE runs ADD PRIMARY KEY (org, run);

-- The runs of a workflow, newest first.
CREATE INDEX runs_by_workflow ON runs (org, workflow, position);

-- The same by their ids.
CREATE INDEX runs_by_workflow_and_id ON runs (org, workflow, run);

-- The steps that a run took; never changed. Read by GET /api/runs/{id}.
CREATE TABLE run_steps (
  org         uuid        NOT NULL,
  run         uuid        NOT NULL,
  position    bigint      NOT NULL,
  step        text        NOT NULL,
  outcome     text        NOT NULL,
  message     uuid,
  occurred_at timestamptz NOT NULL
);

ALTER TABLE run_steps ADD PRIMARY KEY (org, run, position);
