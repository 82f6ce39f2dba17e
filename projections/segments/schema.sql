-- Which contacts are in which segment, at this moment and since when.

-- One row for each segment that was not deleted. Read by GET /api/segments and /api/segments/{id}.
CREATE TABLE segments (
  org          uuid        NOT NULL,
  segment      uuid        NOT NULL,
  version      bigint      NOT NULL,
  name         text        NOT NULL,
  filter       jsonb       NOT NULL,
  member_count bigint      NOT NULL CHECK (member_count >= 0),  -- equals the rows in `members`
  created_at   timestamptz NOT NULL,
  updated_at   timestamptz NOT NULL,
  position     bigint      NOT NULL   -- the last event that changed the definition
);

-- One segment; the list walks an org's prefix in the order of creation.
ALTER TABLE segments ADD PRIMARY KEY (org, segment);

-- Who is in: one row for each segment and contact. Read by GET /api/segments/{id}/contacts, by
-- GET /api/contacts?segment=, and by the launch of a campaign.
CREATE TABLE members (
  org        uuid        NOT NULL,
  segment    uuid        NOT NULL,
  contact    uuid        NOT NULL,
  entered_at timestamptz NOT NULL,
  position   bigint      NOT NULL  -- the event that decided it
);

-- The members of a segment in the order of their ids.
ALTER TABLE members ADD PRIMARY KEY (org, segment, contact);

-- The segments of a contact.
CREATE INDEX members_by_contact ON members (org, contact);

-- What the filters look at: the state of each contact. Read by the fold alone, so that this read
-- model depends on no other.
CREATE TABLE contacts (
  org     uuid  NOT NULL,
  contact uuid  NOT NULL,
  state   jsonb NOT NULL
);

-- One contact's state; all of an org's, in chunks, when a definition changes.
ALTER TABLE contacts ADD PRIMARY KEY (org, contact);
