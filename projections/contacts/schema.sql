-- What an org knows about its people: one row a contact.
-- Read by GET /api/contacts and /api/contacts/{id}, the console's contact list and workflows' look-ups.
-- Values of a person whose key was destroyed are null; `erased` says so.
CREATE TABLE contacts (
  org              uuid        NOT NULL,
  contact          uuid        NOT NULL,
  version          bigint      NOT NULL,
  first_name       text,
  last_name        text,
  company          text,
  email            text,
  phone            text,
  raw_phone        text,
  source           text        NOT NULL,
  tags             text[]      NOT NULL,  -- sorted
  custom           jsonb       NOT NULL,  -- {"city": "Lima"}
  consent          jsonb       NOT NULL,  -- {"sms": {"status", "purpose", "since"}}, micros since 1970
  erased           boolean     NOT NULL,
  archived         boolean     NOT NULL,  -- out of the list, unless it is asked for
  archived_position bigint     NOT NULL,  -- the event that archived it last; 0: none
  restored_position bigint     NOT NULL,  -- the event that restored it last; 0: none
  name_key         text        NOT NULL,  -- lower case "first last": the order of sort=name
  email_key        text,                  -- lower case
  search           text        NOT NULL,  -- lower case name, company, email and phone for `q`
  created_at       timestamptz NOT NULL,
  created_shown    timestamptz NOT NULL,  -- the same in whole milliseconds, as it is shown and compared
  updated_at       timestamptz NOT NULL,
  created_position bigint      NOT NULL,
  position         bigint      NOT NULL   -- the last event that changed the row
) WITH (fillfactor = 90);

-- One contact; and the base of every look-up by id.
ALTER TABLE contacts ADD PRIMARY KEY (org, contact);

-- The list, newest or oldest first, a page at a time; counted without a look at the rows.
CREATE INDEX contacts_by_creation ON contacts (org, created_at, contact) INCLUDE (archived);

-- The list by name, and of those who have the same name by id or by time: a quarter of a million may have none.
CREATE INDEX contacts_by_name ON contacts (org, name_key COLLATE "C", contact);
CREATE INDEX contacts_by_name_and_time
  ON contacts (org, name_key COLLATE "C", created_shown, contact);

-- "Is there somebody with this number or address?": the filters `phone` and `email`, duplicates.
CREATE INDEX contacts_by_phone ON contacts (org, phone) WHERE phone IS NOT NULL;
CREATE INDEX contacts_by_email ON contacts (org, email_key) WHERE email_key IS NOT NULL;

-- Which contacts carry a tag: the filter `tag`. A table and not an index over the array, because
-- row-level security keeps array operators out of indexes (they are not leakproof).
CREATE TABLE contact_tags (
  org      uuid   NOT NULL,
  tag      text   NOT NULL,
  contact  uuid   NOT NULL,
  position bigint NOT NULL  -- the event that added it
);

-- The contacts of a tag.
ALTER TABLE contact_tags ADD PRIMARY KEY (org, tag, contact);
