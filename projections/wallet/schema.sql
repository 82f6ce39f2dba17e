-- What an org's prepaid credit is now, and every movement of it.

-- One row a wallet. Read by GET /api/wallet/balance and the console's billing page.
-- funded + refunded - charged = balance; 0 <= held <= balance.
CREATE TABLE wallets (
  org             uuid        NOT NULL,
  wallet          uuid        NOT NULL,
  version         bigint      NOT NULL,
  balance_micros  bigint      NOT NULL CHECK (balance_micros >= 0),
  held_micros     bigint      NOT NULL CHECK (held_micros >= 0 AND held_micros <= balance_micros),
  funded_micros   bigint      NOT NULL,
  refunded_micros bigint      NOT NULL,
  charged_micros  bigint      NOT NULL,
  waived_micros   bigint      NOT NULL,  -- charges that there was no credit for: nothing was taken
  created_at      timestamptz NOT NULL,
  updated_at      timestamptz NOT NULL,
  position        bigint      NOT NULL,
  CHECK (funded_micros + refunded_micros - charged_micros = balance_micros)
) WITH (fillfactor = 50);  -- few rows that change all the time

-- One wallet; an org has one, found by its prefix.
ALTER TABLE wallets ADD PRIMARY KEY (org, wallet);

-- One row for each movement; never changed. Read by GET /api/wallet/transactions. A settled hold is
-- one `debit`: it takes the charge from the balance and ends the hold.
CREATE TABLE transactions (
  org           uuid        NOT NULL,
  position      bigint      NOT NULL,
  event         uuid        NOT NULL,
  wallet        uuid        NOT NULL,
  type          text        NOT NULL,  -- credit, debit, refund, hold, release
  amount_micros bigint      NOT NULL,  -- never negative; the type gives the direction
  balance_after bigint      NOT NULL,
  held_after    bigint      NOT NULL,
  resource_type text,                  -- sms, sms_inbound, ...
  resource_id   text,                  -- what was billed: the provider's id or our own
  message       uuid,
  description   text        NOT NULL,
  created_at    timestamptz NOT NULL
);

-- The statement, newest first, a page at a time.
ALTER TABLE transactions ADD PRIMARY KEY (org, position);

-- What a message cost: the message's page and support's questions.
CREATE INDEX transactions_by_message ON transactions (org, message) WHERE message IS NOT NULL;

-- What is kept aside, and for which message. Read by the fold and by "why is my credit held?".
CREATE TABLE holds (
  org           uuid   NOT NULL,
  message       uuid   NOT NULL,
  wallet        uuid   NOT NULL,
  amount_micros bigint NOT NULL,
  position      bigint NOT NULL
);

ALTER TABLE holds ADD PRIMARY KEY (org, message);
