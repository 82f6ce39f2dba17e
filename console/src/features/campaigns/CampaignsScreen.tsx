import { useState } from "react";
import { useQuery } from "../../api/hooks";
import { useLive } from "../../api/live";
import type { Campaign, List } from "../../api/types";
import { Link, usePlace, withQuery } from "../../app/router";
import { Icon } from "../../ui/Icon";
import { useKeys } from "../../ui/keys";
import { Page } from "../../ui/Page";
import { PagedList } from "../../ui/PagedList";
import { EmptyState } from "../../ui/states";
import { Table } from "../../ui/Table";
import { Time } from "../../ui/Time";
import { useCursors } from "../../ui/useCursors";
import { CampaignStatus } from "./CampaignStatus";
import { ConservationBar } from "./ConservationBar";
import { NewCampaignDialog } from "./NewCampaignDialog";

const pageSize = 50;
const calmMillis = 1_000;

/** One message to many people. */
export function CampaignsScreen() {
  const [isCreating, setCreating] = useState(false);
  const { query } = usePlace();
  const cursors = useCursors(query, pageSize, (after) => withQuery("/campaigns", { after }));
  const campaigns = useQuery<List<Campaign>>(
    withQuery("/api/campaigns", { after: cursors.after, limit: String(pageSize) }),
  );
  useLive(campaigns, ["campaign.*"], calmMillis);
  useKeys({ n: () => setCreating(true) });
  return (
    <Page
      title="Campaigns"
      actions={
        <button type="button" className="button button-primary" onClick={() => setCreating(true)}>
          <Icon name="plus" />
          New campaign
        </button>
      }
    >
      <PagedList
        query={campaigns}
        cursors={cursors}
        empty={
          <EmptyState title="No campaigns yet." icon="megaphone">
            <p className="muted">Write one text to everybody in a segment.</p>
            <button type="button" className="button" onClick={() => setCreating(true)}>
              New campaign
            </button>
          </EmptyState>
        }
      >
        {(rows) => <CampaignsTable campaigns={rows} />}
      </PagedList>
      {isCreating && <NewCampaignDialog onClose={() => setCreating(false)} />}
    </Page>
  );
}

function CampaignsTable({ campaigns }: { campaigns: Campaign[] }) {
  return (
    <Table
      rows={campaigns}
      rowKey={({ id }) => id}
      columns={[
        {
          title: "Name",
          cell: ({ id, name }) => (
            <Link className="row-link" to={`/campaigns/${id}`}>
              {name}
            </Link>
          ),
        },
        { title: "Status", cell: ({ status }) => <CampaignStatus status={status} /> },
        {
          title: "Progress",
          className: "progress-column",
          isWideOnly: true,
          cell: (campaign) => (campaign.planned ?? 0) > 0 && <ConservationBar campaign={campaign} />,
        },
        {
          title: "Planned",
          isNumber: true,
          cell: ({ status, planned }) =>
            status === "draft" ? "–" : (planned ?? 0).toLocaleString("en-US"),
        },
        {
          title: "Created",
          className: "nowrap muted",
          isWideOnly: true,
          cell: ({ created_at }) => <Time at={created_at} show="date" />,
        },
      ]}
    />
  );
}
