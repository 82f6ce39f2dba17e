import { useEffect, useState } from "react";
import { isAbort } from "../api/client";
import type { Client } from "../api/client";
import { asFailure, useClient } from "../api/hooks";
import type { Contact } from "../api/types";
import { contactName } from "../features/contacts/names";
import { Skeleton } from "./states";

/** Names that this page has seen, by account: lists of ids would otherwise ask for each again. */
const names = new WeakMap<Client, Map<string, string>>();

/** The name behind a contact's id; the id itself where there is none to be had. */
export function ContactName({ id }: { id: string }) {
  const client = useClient();
  const [name, setName] = useState(() => names.get(client)?.get(id) ?? null);
  useEffect(() => {
    const known = names.get(client) ?? new Map<string, string>();
    names.set(client, known);
    const seen = known.get(id);
    if (seen !== undefined) {
      setName(seen);
      return;
    }
    const abort = new AbortController();
    const path = `/api/contacts/${encodeURIComponent(id)}`;
    client.get<Contact>(path, { signal: abort.signal }).then(
      ({ body }) => {
        known.set(id, contactName(body));
        setName(contactName(body));
      },
      (error: unknown) => {
        if (isAbort(error)) return;
        // Not worth an error of its own: the id still leads to the contact.
        if (asFailure(error)) setName(id);
      },
    );
    return () => abort.abort();
  }, [client, id]);
  return name === null ? <Skeleton width="7rem" /> : <>{name}</>;
}
