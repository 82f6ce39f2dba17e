import { useState } from "react";
import { useQuery, useWrite } from "../../api/hooks";
import type { List, WebhookEndpoint } from "../../api/types";
import { Async } from "../../ui/Async";
import { ConfirmDialog } from "../../ui/ConfirmDialog";
import { Icon } from "../../ui/Icon";
import { useKeys } from "../../ui/keys";
import { Page } from "../../ui/Page";
import { EmptyState, FailureNote } from "../../ui/states";
import { NewWebhookDialog } from "./NewWebhookDialog";

const root = "/api/webhook-endpoints";

/** Who hears of events as they happen. */
export function WebhooksScreen() {
  const endpoints = useQuery<List<WebhookEndpoint>>(root);
  const [isCreating, setCreating] = useState(false);
  const [deleting, setDeleting] = useState<WebhookEndpoint | null>(null);
  const write = useWrite();
  useKeys({ n: () => setCreating(true) });
  const act = async ({ id }: WebhookEndpoint, action: Action) => {
    if ((await write.run("POST", `${root}/${id}/${action}`)) !== null) endpoints.reload();
  };
  return (
    <Page
      title="Webhooks"
      actions={
        <button type="button" className="button button-primary" onClick={() => setCreating(true)}>
          <Icon name="plus" />
          New endpoint
        </button>
      }
    >
      {deleting === null && <FailureNote failure={write.failure} />}
      <Async query={endpoints}>
        {(list) =>
          list.data.length === 0 ? (
            <EmptyState title="Nobody is subscribed." icon="webhook">
              <p className="muted">
                An endpoint gets every event it asks for, signed, in order, and again until it is
                taken.
              </p>
              <button type="button" className="button" onClick={() => setCreating(true)}>
                New endpoint
              </button>
            </EmptyState>
          ) : (
            <ul className="endpoints">
              {list.data.map((endpoint) => (
                <EndpointItem
                  key={endpoint.id}
                  endpoint={endpoint}
                  isBusy={write.isBusy}
                  onAct={(action) => void act(endpoint, action)}
                  onDelete={() => setDeleting(endpoint)}
                />
              ))}
            </ul>
          )
        }
      </Async>
      {isCreating && (
        <NewWebhookDialog onCreated={() => endpoints.reload()} onClose={() => setCreating(false)} />
      )}
      {deleting !== null && (
        <ConfirmDialog
          title="Delete this endpoint?"
          action="Delete endpoint"
          isDangerous
          write={write}
          onClose={() => setDeleting(null)}
          onConfirm={async () => {
            if ((await write.run("DELETE", `${root}/${deleting.id}`)) === null) return;
            setDeleting(null);
            endpoints.reload();
          }}
        >
          <code>{deleting.url}</code> hears of nothing any more.
        </ConfirmDialog>
      )}
    </Page>
  );
}

type Action = "enable" | "pause" | "resume";

/** How an endpoint stands, and what can be done about it. */
function standing({ enabled, paused }: WebhookEndpoint) {
  if (!enabled) {
    return { word: "disabled", badge: "badge-red", action: "enable", label: "Enable and catch up" } as const;
  }
  return paused
    ? ({ word: "paused", badge: "badge-amber", action: "resume", label: "Resume and catch up" } as const)
    : ({ word: "enabled", badge: "badge-green", action: "pause", label: "Pause" } as const);
}

interface EndpointItemProps {
  endpoint: WebhookEndpoint;
  isBusy: boolean;
  onAct: (action: Action) => void;
  onDelete: () => void;
}

function EndpointItem({ endpoint, isBusy, onAct, onDelete }: EndpointItemProps) {
  const { word, badge, action, label } = standing(endpoint);
  const failures = endpoint.failures ?? 0;
  return (
    <li className="card endpoint">
      <div className="endpoint-main">
        <span className="endpoint-url clip">{endpoint.url}</span>
        <span className="row small">
          <span className={`badge ${badge}`}>{word}</span>
          {endpoint.types.map((type) => (
            <code key={type} className="muted">
              {type}
            </code>
          ))}
        </span>
        {typeof endpoint.position === "number" && (
          <span className="muted small number">
            Delivered up to position {endpoint.position}
            {failures > 0 && ` · ${failures} failed ${failures === 1 ? "try" : "tries"} since`}
          </span>
        )}
      </div>
      <button
        type="button"
        className="button"
        disabled={isBusy}
        aria-label={`${label} ${endpoint.url}`}
        onClick={() => onAct(action)}
      >
        {label}
      </button>
      <button
        type="button"
        className="icon-button"
        aria-label={`Delete ${endpoint.url}`}
        onClick={onDelete}
      >
        <Icon name="trash" />
      </button>
    </li>
  );
}
