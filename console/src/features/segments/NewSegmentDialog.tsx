import type { FormEvent } from "react";
import { useState } from "react";
import { useQuery, useWrite } from "../../api/hooks";
import type { Contact, Filter, List, Segment } from "../../api/types";
import { useNavigator, withQuery } from "../../app/router";
import { Dialog, DialogActions } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import { FailureNote } from "../../ui/states";
import { useDebounced } from "../../ui/useDebounced";
import type { Group } from "./filter";
import { emptyRow, filterOf } from "./filter";
import { FilterBuilder } from "./FilterBuilder";

const typingMillis = 300;

export function NewSegmentDialog({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState("");
  const [draft, setDraft] = useState<Group>({ match: "all", rows: [emptyRow] });
  const write = useWrite();
  const { go } = useNavigator();
  const filter = filterOf(draft);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (filter === null) return;
    const segment = await write.run<Segment>("POST", "/api/segments", { name, filter });
    if (segment !== null) go(`/segments/${segment.id}`);
  };
  return (
    <Dialog title="New segment" isWide onClose={onClose}>
      <form onSubmit={(event) => void submit(event)}>
        <FailureNote failure={write.failure} />
        <Field label="Name">
          <input
            required
            placeholder="VIP, opted in"
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
        </Field>
        <FilterBuilder draft={draft} onChange={setDraft} />
        <MatchCount filter={filter} />
        <DialogActions>
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button
            type="submit"
            className="button button-primary"
            disabled={write.isBusy || filter === null}
          >
            {write.isBusy ? "Creating…" : "Create segment"}
          </button>
        </DialogActions>
      </form>
    </Dialog>
  );
}

/** How many people a filter finds right now. */
function MatchCount({ filter }: { filter: Filter | null }) {
  const settled = useDebounced(filter === null ? null : JSON.stringify(filter), typingMillis);
  const found = useQuery<List<Contact>>(
    settled === null
      ? null
      : withQuery("/api/contacts", { filter: settled, limit: "1", count: "exact" }),
  );
  const total = found.data?.total;
  return (
    <output className="muted number">
      {filter === null && "Fill in every condition to see who matches."}
      {filter !== null && found.failure !== null && found.failure.message}
      {filter !== null &&
        found.failure === null &&
        (total === undefined ? "Counting…" : matchWords(total))}
    </output>
  );
}

function matchWords(count: number): string {
  return count === 1 ? "1 person matches now" : `${count.toLocaleString("en-US")} people match now`;
}
