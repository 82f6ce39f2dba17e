// The API's objects as docs/api.md describes them. Enumerations are open: a server may be newer than
// this page, so every union ends in `string & {}` and every switch over one has a default.

type Open<Known extends string> = Known | (string & Record<never, never>);

/** RFC 3339, or, inside verdicts as they were recorded, microseconds since 1970. */
export type Instant = string | number;

export interface Money {
  amount: number;
  unit: "usd_micro";
}

export interface List<Item> {
  object: "list";
  data: Item[];
  has_more: boolean;
  next?: string | null;
  total?: number;
  /** The position of the log at which all of its pages are read. */
  as_of?: number;
}

export interface Account {
  id: string;
  object: "account";
  name: string;
  kind: Open<"direct" | "agency" | "client">;
  agency?: string | null;
  time_zone: string;
  test: boolean;
  status: string;
  /** The org's own clock, which a test org can advance. */
  now: string;
}

export interface User {
  id: string;
  email: string;
  name: string;
  role: string;
  /** Such as `contacts:read`, `wallet:*` or `*`. */
  scopes: string[];
}

export interface Session {
  object: "session";
  user: User;
  account: Account;
  /** The own one and the first of its clients. */
  accounts: Account[];
  /** How many there are. */
  account_count: number;
  csrf_token: string;
}

export type Channel = "sms" | "voice" | "email";
export const channels: readonly Channel[] = ["sms", "voice", "email"];

export interface ChannelConsent {
  status: Open<"opted_in" | "opted_out" | "none">;
  purpose?: string | null;
  since?: string | null;
}

export type CustomValue = string | number | boolean | null;

export interface Contact {
  id: string;
  object: "contact";
  first_name?: string | null;
  last_name?: string | null;
  company?: string | null;
  email?: string | null;
  phone?: string | null;
  raw_phone?: string | null;
  source?: string | null;
  tags: string[];
  custom?: Record<string, CustomValue>;
  consent: Partial<Record<Channel, ChannelConsent>>;
  erased?: boolean;
  created_at: string;
  updated_at: string;
  version: number;
}

export type MessageStatus = Open<
  | "planned"
  | "held"
  | "queued"
  | "dispatched"
  | "accepted"
  | "sent"
  | "delivered"
  | "failed"
  | "skipped"
  | "cancelled"
  | "unknown"
  | "received"
>;

export interface Verdict {
  outcome: Open<"allowed" | "held" | "refused">;
  reason?: string | null;
  until?: Instant | null;
  rule_set?: string;
  facts?: VerdictFacts | null;
}

export interface VerdictFacts {
  /** Where the person may be, and when the day's first text may go out there. */
  zones?: { zone: string; next_open?: Instant }[];
}

export interface Message {
  id: string;
  object: "message";
  direction: "outbound" | "inbound";
  contact: string;
  channel: Channel;
  purpose?: string | null;
  from?: string | null;
  to?: string | null;
  body?: string | null;
  segments?: number | null;
  encoding?: string | null;
  status: MessageStatus;
  reason?: string | null;
  verdict?: Verdict | null;
  price?: Money | null;
  error_code?: string | null;
  campaign?: string | null;
  run?: string | null;
  held_until?: string | null;
  sent_at?: string | null;
  delivered_at?: string | null;
  subject?: string | null;
  /** Addresses of pictures, or of what a call plays. */
  media?: string[] | null;
  call_outcome?: string | null;
  call_seconds?: number | null;
  opened_at?: string | null;
  clicked_at?: string | null;
  created_at?: string;
}

/** What `POST /api/messages?dry_run=true` says would happen. */
export interface MessagePreview {
  verdict?: Verdict | null;
  price?: Money | null;
  segments?: number | null;
  encoding?: string | null;
}

/** A text that is written once and used often. */
export interface Template {
  id: string;
  object: "template";
  name: string;
  channel: Channel;
  /** How many versions its words have. */
  latest_version: number;
  archived: boolean;
  fields: string[];
  subject: string | null;
  body: string;
  html: string | null;
  findings: ContentFinding[];
}

/** Something that carriers or mailbox providers have against a text. */
export interface ContentFinding {
  code: string;
  field: string;
  severity: Open<"warning" | "refusal">;
  found: string | null;
  message: string;
}

/** What a launch would come to. */
export interface CampaignCheck {
  object: "campaign_check";
  recipients: number;
  incomplete: number;
  missing: { field: string; recipients: number }[];
  findings: ContentFinding[];
}

/** What one person would get of it; nothing but `missing` where a field has no value. */
export interface TemplatePreview {
  missing: string[];
  subject?: string | null;
  body?: string | null;
}

export interface TimelineEntry {
  id: string;
  object: "timeline_entry";
  kind: Open<"message" | "consent" | "contact" | "workflow" | "wallet" | "campaign">;
  type: string;
  occurred_at: string;
  position: number;
  title: string;
  body?: string | null;
  message?: Message | null;
  /** Of messages: the channel and our own address, such as `sms +12025550199`. */
  conversation?: string | null;
  actor?: Actor | string | null;
  cause?: string | null;
}

export interface Conversation {
  object: "conversation";
  conversation: string;
  messages: number;
  last_at: string;
}

export interface Actor {
  type?: string;
  id?: string;
  name?: string;
}

export interface ImportResult {
  /** Of a trial `dry_run`, which has no id. */
  object: "import" | "dry_run";
  id?: string;
  rows: number;
  created: number;
  updated: number;
  unchanged: number;
  failed: number;
  columns: { column: string; field: string | null; guessed?: boolean }[];
  errors: { line: number; column?: string | null; code: string; message: string }[];
  errors_csv?: string | null;
}

export interface Wallet {
  object: "wallet";
  id: string;
  balance: Money;
  held: Money;
  available: Money;
}

/** When the wallet fills itself up. */
export interface AutoRecharge {
  object: "auto_recharge";
  enabled: boolean;
  threshold: Money;
  amount: Money;
  monthly_cap: Money;
  /** Who charges; null: nobody is set up. */
  payment_provider: string | null;
}

export interface WalletTransaction {
  id: string;
  object: "wallet_transaction";
  type: Open<"credit" | "debit" | "refund" | "hold" | "release">;
  amount: Money;
  balance_after?: Money | null;
  resource_type?: string | null;
  resource_id?: string | null;
  description?: string | null;
  created_at: string;
}

export type Filter =
  | { all: Filter[] }
  | { any: Filter[] }
  | { not: Filter }
  | { field: string; op: string; value?: string | number | boolean }
  | { event: string; op?: string; count?: number; within?: string };

export interface Segment {
  id: string;
  object: "segment";
  name: string;
  filter: Filter;
  size?: number | null;
  /** A new definition is looking at all contacts; who is in is not known meanwhile. */
  recomputing?: boolean | null;
  created_at: string;
  updated_at: string;
}

export interface Sending {
  object: "sending";
  /** Empty: messages go out. */
  halted_by: ("org" | "all")[];
  /** What becomes of that which waits while it is stopped. */
  waiting: Open<"wait" | "skip">;
  rule_set: string;
  suspected_opt_outs: number;
}

/** A text that may be a no. */
export interface SuspectedOptOut {
  object: "suspected_opt_out";
  contact: string;
  channel: Channel;
  message: string;
  body: string | null;
  from: string | null;
  received_at: string;
}

export interface Campaign {
  id: string;
  object: "campaign";
  name: string;
  segment: string;
  channel: Channel;
  purpose: string;
  body: string;
  subject: string | null;
  html: string | null;
  voicemail: string | null;
  template: string | null;
  template_version: number | null;
  /** Of a hundred people, how many are kept out to compare with. */
  holdout_percent: number | null;
  /** Its pace; null: as fast as the sender may. */
  per_minute: number | null;
  status: Open<"draft" | "running" | "paused" | "completed" | "cancelled">;
  planned?: number;
  sent?: number;
  failed?: number;
  skipped?: number;
  cancelled?: number;
  pending?: number;
  created_at: string;
}

export interface Workflow {
  id: string;
  object: "workflow";
  name: string;
  status: Open<"active" | "paused">;
  /** Of the definition; `version` counts every change of the object. */
  latest_version: number;
  version: number;
  source?: string | null;
  created_at: string;
  updated_at: string;
}

export interface Run {
  id: string;
  object: "run" | "workflow_run";
  workflow: string;
  contact: string;
  status: Open<"running" | "waiting" | "completed" | "failed">;
  step?: string | null;
  waiting_until?: string | null;
  workflow_version?: number;
  created_at: string;
  updated_at: string;
}

export interface AuditEvent {
  id: string;
  object: "audit_event";
  position: number;
  type: string;
  occurred_at: string;
  recorded_at?: string;
  actor?: Actor | string | null;
  origin?: string | null;
  on_behalf_of?: string | null;
  correlation?: string | null;
  cause?: string | null;
  subject?: { type: string; id: string; version?: number } | null;
  summary?: string | null;
  verdict?: Verdict | null;
}

export interface LogEvent {
  id: string;
  object: "event";
  type: string;
  position: number;
  occurred_at: string;
  subject?: { type: string; id: string; version?: number } | null;
  correlation?: string | null;
  data?: Record<string, unknown> | null;
}

/** What an administrator should know; it goes away with its reason. */
export interface Notice {
  object: "notice";
  kind:
    | "webhook_disabled"
    | "webhook_failing"
    | "sending_halted"
    | "low_balance"
    | "access_refused"
    | "user_locked"
    | "checkpoint_published";
  subject: string;
  since: string | null;
  words: string;
  advice: string;
  /** The signed head itself. */
  checkpoint: string | null;
}

export interface WebhookEndpoint {
  id: string;
  object: "webhook_endpoint";
  url: string;
  types: string[];
  enabled: boolean;
  paused: boolean;
  position?: number | null;
  failures?: number | null;
  /** Only in the answer to its creation. */
  secret?: string;
  created_at: string;
}

/** A read model of the installation. */
export interface Projection {
  object: "projection";
  name: string;
  version: number;
  state: Open<"live" | "stopped" | "building" | "rolled_back">;
  position: number;
  lag_events: number;
  lag_seconds: number;
  rate: number;
  bytes: number;
  parked: number;
  failed_reason: string | null;
  built_at: string;
  checked_at: string | null;
  checked_equal: boolean | null;
  rebuild: ProjectionRebuild | null;
}

export interface ProjectionRebuild {
  state: Open<"requested" | "running" | "cancelling" | "done" | "failed" | "cancelled">;
  phase: "folding" | "indexing" | "catchingUp" | "swapping" | null;
  position: number;
  head: number;
  rate: number;
  remaining_seconds: number | null;
  reason: string | null;
  requested_at: string;
  updated_at: string;
}

export interface ParkedEvent {
  object: "parked_event";
  projection: string;
  position: number;
  type: string;
  account: string;
  code: string | null;
  reason: string | null;
  parked_at: string;
}

export interface DrainedProjection {
  object: "drained_projection";
  projection: string;
  applied: number;
  remaining: number;
}
