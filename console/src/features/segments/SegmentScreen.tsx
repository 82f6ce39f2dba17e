import { useEffect, useState } from "react";
import { useQuery, useWrite } from "../../api/hooks";
import type { Contact, List, Segment } from "../../api/types";
import { Link, useNavigator, usePlace, withQuery } from "../../app/router";
import { ConfirmDialog } from "../../ui/ConfirmDialog";
import { Icon } from "../../ui/Icon";
import { Page } from "../../ui/Page";
import { PagedList } from "../../ui/PagedList";
import { EmptyState, FailureState } from "../../ui/states";
import { useCursors } from "../../ui/useCursors";
import { ContactsTable } from "../contacts/ContactsTable";
import { describeFilter } from "./filter";

const pageSize = 50;
/** Between two looks at a segment whose members are being recomputed. */
const againMillis = 2_000;

/** A segment's rule and the people it finds now. */
export function SegmentScreen({ id }: { id: string }) {
  const { query } = usePlace();
  const { go } = useNavigator();
  const [isDeleting, setDeleting] = useState(false);
  const path = `/api/segments/${encodeURIComponent(id)}`;
  const segment = useQuery<Segment>(path);
  const cursors = useCursors(query, pageSize, (after) => withQuery(`/segments/${id}`, { after }));
  const isRecomputing = segment.data?.recomputing === true;
  const contacts = useQuery<List<Contact>>(
    isRecomputing ? null : withQuery(`${path}/contacts`, { after: cursors.after, limit: String(pageSize) }),
  );
  const { reload } = segment;
  useEffect(() => {
    if (!isRecomputing) return;
    const timer = setInterval(() => reload(), againMillis);
    return () => clearInterval(timer);
  }, [isRecomputing, reload]);
  const remove = useWrite();
  const { failure } = segment;
  const before = (
    <Link className="back" to="/segments">
      <Icon name="left" />
      Segments
    </Link>
  );
  if (segment.data === null && failure !== null) {
    return (
      <Page title="Segment" before={before}>
        <FailureState failure={failure} onRetry={() => segment.reload()} />
      </Page>
    );
  }
  const size = segment.data?.size;
  return (
    <Page
      title={segment.data?.name ?? "Segment"}
      before={before}
      note={typeof size === "number" ? <span className="number">{size.toLocaleString("en-US")}</span> : undefined}
      actions={
        <button type="button" className="button" onClick={() => setDeleting(true)}>
          <Icon name="trash" />
          Delete
        </button>
      }
    >
      {segment.data !== null && <p className="lead muted">{describeFilter(segment.data.filter)}</p>}
      {isRecomputing ? (
        <EmptyState title="Being recomputed: the rule is looking at all contacts." icon="people" />
      ) : (
        <PagedList
          query={contacts}
          cursors={cursors}
          empty={<EmptyState title="Nobody matches right now." icon="people" />}
        >
          {(rows) => (
            <ContactsTable contacts={rows} onTag={(tag) => go(withQuery("/contacts", { tag }))} />
          )}
        </PagedList>
      )}
      {isDeleting && (
        <ConfirmDialog
          title="Delete this segment?"
          action="Delete segment"
          isDangerous
          write={remove}
          onClose={() => setDeleting(false)}
          onConfirm={async () => {
            if ((await remove.run("DELETE", path)) !== null) go("/segments");
          }}
        >
          The people in it stay. Campaigns that were sent to it keep their record.
        </ConfirmDialog>
      )}
    </Page>
  );
}
