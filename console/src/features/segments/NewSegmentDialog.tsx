import { useState } from "react";
import { useQuery, useWrite } from "../../api/hooks";
import type { Contact, Filter, List, Segment } from "../../api/types";
import { useNavigator, withQuery } from "../../app/router";
import { Field } from "../../ui/Field";
import { FormDialog } from "../../ui/FormDialog";
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
  const submit = async () => {
    if (filter === null) return;
    const segment = await write.run<Segment>("POST", "/api/segments", { name, filter });
    if (segment !== null) go(`/segments/${segment.id}`);
  };
  return (
    <FormDialog
      title="New segment"
      action="Create segment"
      doing="Creating…"
      write={write}
      note={<FailureNote failure={write.failure} />}
      isIncomplete={filter === null}
      isWide
      onSubmit={submit}
      onClose={onClose}
    >
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
    </FormDialog>
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
