-- Which contacts are in which segment, since when and until when, and how they came and went.

-- One row for each segment that was not deleted. Read by GET /api/segments and /api/segments/{id}.
CREATE TABLE segments (
  org           uuid        NOT NULL,
  segment       uuid        NOT NULL,
  version       bigint      NOT NULL,
  name          text        NOT NULL,
  filter        jsonb       NOT NULL,
  created_at    timestamptz NOT NULL,
  updated_at    timestamptz NOT NULL,
  position      bigint      NOT NULL   -- the last event that changed the definition
);

-- One segment; the list walks an org's prefix in the order of creation.
ALTER TABLE segments ADD PRIMARY KEY (org, segment);

-- How many settled rows a segment has in `members`: without a past, so that who comes and goes is no version
-- of the segment. Every segment that ever was has its row: until all contacts were looked at after a deletion some are
-- still counted, and it may be undone before. Read by GET /api/segments and /api/segments/{id}.
CREATE TABLE sizes (
  org           uuid   NOT NULL,
  segment       uuid   NOT NULL,
  settled_count bigint NOT NULL CHECK (settled_count >= 0)
);

-- One segment; the fold reads an org's prefix, and so does an erasure, which finds somebody's rows by segment.
ALTER TABLE sizes ADD PRIMARY KEY (org, segment);

-- Who is in, and who will be in should nothing happen any more: at a moment m the rows with
-- entered_at <= m and (leaves_at IS NULL or leaves_at > m). Time needs no event to end a membership: the
-- event before it knew when. Read by GET /api/segments/{id}/members and /contacts and by
-- GET /api/contacts?segment=.
-- Where the membership has begun and no time ends it, it is settled; `sizes` counts those.
CREATE TABLE members (
  org               uuid        NOT NULL,
  segment           uuid        NOT NULL,
  contact           uuid        NOT NULL,
  span              bigint      NOT NULL,  -- 0, 1, ...: a membership may end and begin again by time
  entered_at        timestamptz NOT NULL,
  entered_position  bigint      NOT NULL,  -- the event that decided it
  leaves_at         timestamptz,
  leaves_position   bigint,                -- the event that decided that
  leaves_day        bigint,                -- of leaves_at: days since 1970, UTC
  noted             boolean     NOT NULL   -- the entering is in `changes`
);

-- One member.
ALTER TABLE members ADD PRIMARY KEY (org, segment, contact, span);

-- The members of a segment in the order of their ids, in three parts: those who are in for good, ...
CREATE INDEX members_settled ON members (org, segment, contact, span)
  WHERE noted AND leaves_day IS NULL;

-- ... those for whom time began it or will, for good, ...
CREATE INDEX members_coming ON members (org, segment, contact, span) INCLUDE (entered_at)
  WHERE NOT noted AND leaves_day IS NULL;

-- ... and those whom time takes out, day by day: the days that are past are never looked at. A segment of
-- what is new has long lost most of whom it once had.
CREATE INDEX members_leaving ON members (org, segment, leaves_day, contact, span)
  INCLUDE (entered_at, leaves_at) WHERE leaves_day IS NOT NULL;

-- The part of the count that depends on the moment, and the latest changes by time.
CREATE INDEX members_unsettled ON members (org, segment, leaves_at, entered_at, contact, span)
  WHERE NOT noted OR leaves_at IS NOT NULL;

-- Every entering and leaving that lies behind a contact's last event; never changed. What time has
-- done since is in `members`. Read by GET /api/segments/{id}/changes.
CREATE TABLE changes (
  org      uuid        NOT NULL,
  segment  uuid        NOT NULL,
  at       timestamptz NOT NULL,
  position bigint      NOT NULL,  -- the event that decided it
  contact  uuid        NOT NULL,
  change   text        NOT NULL,  -- entered, left
  by_time  boolean     NOT NULL   -- the moment had come; the event had decided it before
);

-- The history of a segment, newest first.
ALTER TABLE changes ADD PRIMARY KEY (org, segment, at, position, contact, change);

-- The history of a contact in a segment.
CREATE INDEX changes_by_contact ON changes (org, segment, contact, at, position, change);

-- What filters look at. Read by the fold, and by lists with a filter on times or events.
CREATE TABLE contacts (
  org         uuid        NOT NULL,
  contact     uuid        NOT NULL,
  created_at  timestamptz NOT NULL,
  state       jsonb       NOT NULL,
  activity    jsonb       NOT NULL,  -- [["message.received", micros], ...]
  memberships jsonb       NOT NULL   -- the contact's rows in `members`
) WITH (fillfactor = 80);

-- A contact's events find it; a changed definition walks an org's prefix.
ALTER TABLE contacts ADD PRIMARY KEY (org, contact);

-- Whom a message or a run concerns: later events of its stream do not say. Read by the fold alone.
CREATE TABLE links (
  org     uuid NOT NULL,
  subject uuid NOT NULL,
  contact uuid NOT NULL
);

ALTER TABLE links ADD PRIMARY KEY (org, subject);
