import { useEffect, useState } from "react";
import { isAbort, newIdempotencyKey } from "../../api/client";
import { Failure, field } from "../../api/failure";
import { useClient } from "../../api/hooks";
import type { Channel, MessagePreview, Verdict } from "../../api/types";
import { useDebounced } from "../../ui/useDebounced";

export interface Preview {
  /** What would happen to the text as it was when asked; null while nothing is known yet. */
  preview: MessagePreview | null;
  failure: Failure | null;
}

/** A message as it is being written. */
export interface Draft {
  channel: Channel;
  /** Of an email. */
  subject: string;
  body: string;
  purpose: string;
}

const typingMillis = 250;
/** Stands in for the text before there is one: the verdict depends on the person, not on it. */
const probe = "Hello";

/** Asks the gate, without sending anything, what it would say. Anew when `revision` changes. */
export function usePreview(
  contact: string,
  { channel, subject, body, purpose }: Draft,
  revision: unknown,
): Preview {
  const client = useClient();
  const [known, setKnown] = useState<Preview>({ preview: null, failure: null });
  const settled = useDebounced(body.trim() === "" ? probe : body, typingMillis);

  useEffect(() => {
    const abort = new AbortController();
    const request = {
      contact,
      channel,
      body: settled,
      purpose,
      ...(channel === "email" && { subject: subject.trim() === "" ? probe : subject }),
    };
    const options = { idempotencyKey: newIdempotencyKey(), signal: abort.signal };
    client.write<unknown>("POST", "/api/messages?dry_run=true", request, options).then(
      ({ body: answer }) => setKnown({ preview: readPreview(answer), failure: null }),
      (error: unknown) => {
        if (isAbort(error)) return;
        if (!(error instanceof Failure)) throw error;
        setKnown(refusal(error));
      },
    );
    return () => abort.abort();
  }, [client, contact, channel, subject, settled, purpose, revision]);
  return known;
}

/** The message that would follow, at the top of the answer or under `message`. */
function readPreview(answer: unknown): MessagePreview {
  const message = field(answer, "message");
  const inner = typeof message === "object" && message !== null ? (message as MessagePreview) : {};
  return { ...inner, ...(answer as MessagePreview) };
}

/** A rule's refusal is an answer too. */
function refusal(failure: Failure): Preview {
  if (failure.type !== "compliance" && failure.type !== "insufficient_funds") {
    return { preview: null, failure };
  }
  const verdict: Verdict = { outcome: "refused", reason: failure.code };
  return { preview: { verdict }, failure: null };
}
