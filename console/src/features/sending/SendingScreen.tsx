import { useState } from "react";
import type { Query } from "../../api/hooks";
import { useQuery, useWrite } from "../../api/hooks";
import { useLive } from "../../api/live";
import type { List, Sending, SuspectedOptOut } from "../../api/types";
import { Link } from "../../app/router";
import { Async } from "../../ui/Async";
import { ConfirmDialog } from "../../ui/ConfirmDialog";
import { ContactName } from "../../ui/ContactName";
import { Icon } from "../../ui/Icon";
import { Page } from "../../ui/Page";
import { EmptyState, FailureNote } from "../../ui/states";
import { Time } from "../../ui/Time";

/** What keeps messages from going out: the switch for all of it, and people who may have said no. */
export function SendingScreen() {
  const sending = useQuery<Sending>("/api/sending");
  const suspected = useQuery<List<SuspectedOptOut>>("/api/suspected-opt-outs");
  useLive(sending, ["org.*"]);
  useLive(suspected, ["contact.*"]);
  const decided = () => {
    suspected.reload();
    sending.reload();
  };
  return (
    <Page title="Sending" actions={<Switch sending={sending} />}>
      <div className="stack">
        {sending.data !== null && <HaltNote sending={sending.data} />}
        <section aria-label="Possible opt-outs" className="stack">
          <h2>Possible opt-outs</h2>
          <p className="muted">
            These texts may be a no. Marketing to their senders waits until you decide.
          </p>
          <Async query={suspected}>
            {({ data }) =>
              data.length === 0 ? (
                <EmptyState title="Nobody waits for a decision." icon="check" />
              ) : (
                <ul className="stack">
                  {data.map((entry) => (
                    <Suspicion key={entry.message + entry.contact} entry={entry} onDecided={decided} />
                  ))}
                </ul>
              )
            }
          </Async>
        </section>
      </div>
    </Page>
  );
}

function HaltNote({ sending }: { sending: Sending }) {
  if (sending.halted_by.length === 0) return null;
  const whose = sending.halted_by.map(
    (scope) => ({ org: "by this account", all: "by the operator" })[scope],
  );
  return (
    <div className="note note-bad" role="status">
      <Icon name="alert" />
      <div>
        Sending is stopped {whose.join(" and ")}.{" "}
        {sending.waiting === "skip"
          ? "What waited is skipped, and so is what comes: none of it goes out later."
          : "What is queued waits."}
      </div>
    </div>
  );
}

/** The kill switch of this account. */
function Switch({ sending }: { sending: Query<Sending> }) {
  const [isAsking, setAsking] = useState(false);
  const [skips, setSkips] = useState(false);
  const write = useWrite();
  if (sending.data === null) return null;
  const isHalted = sending.data.halted_by.includes("org");
  const act = async () => {
    const done = isHalted
      ? await write.run("POST", "/api/sending/resume")
      : await write.run("POST", "/api/sending/halt", {
          reason: "by hand, in the console",
          waiting: skips ? "skip" : "wait",
        });
    if (done === null) return;
    setAsking(false);
    sending.reload();
  };
  const title = isHalted ? "Resume sending" : "Stop all sending";
  return (
    <>
      <button
        type="button"
        className={isHalted ? "button button-primary" : "button button-danger"}
        onClick={() => setAsking(true)}
      >
        {title}
      </button>
      {isAsking && (
        <ConfirmDialog
          title={`${title}?`}
          action={title}
          isDangerous={!isHalted}
          write={write}
          onConfirm={act}
          onClose={() => {
            setAsking(false);
            write.clear();
          }}
        >
          {isHalted ? (
            sending.data.waiting === "skip" ? (
              "What was skipped stays so. What comes from now on goes out."
            ) : (
              "What waited goes out, after every rule was checked again."
            )
          ) : (
            <>
              <p>Nothing more is handed to a provider. What is queued waits.</p>
              <label className="check">
                <input
                  type="checkbox"
                  checked={skips}
                  onChange={(event) => setSkips(event.target.checked)}
                />
                Skip what waits: none of it goes out later
              </label>
            </>
          )}
        </ConfirmDialog>
      )}
    </>
  );
}

function Suspicion({ entry, onDecided }: { entry: SuspectedOptOut; onDecided: () => void }) {
  const write = useWrite();
  const decide = async (decision: "confirm" | "dismiss") => {
    const path = `/api/suspected-opt-outs/${encodeURIComponent(entry.contact)}/${decision}`;
    if ((await write.run("POST", path, { channel: entry.channel })) !== null) onDecided();
  };
  return (
    <li className="card suspicion">
      <div className="suspicion-head">
        <Link to={`/contacts/${entry.contact}`}>
          <ContactName id={entry.contact} />
        </Link>
        <Time at={entry.received_at} />
      </div>
      <div className="message message-in">
        <div className="bubble">
          <p className="bubble-body">{entry.body ?? "The text was erased."}</p>
        </div>
      </div>
      <FailureNote failure={write.failure} />
      <div className="suspicion-actions">
        <button
          type="button"
          className="button button-danger"
          disabled={write.isBusy}
          onClick={() => void decide("confirm")}
        >
          It is an opt-out
        </button>
        <button
          type="button"
          className="button"
          disabled={write.isBusy}
          onClick={() => void decide("dismiss")}
        >
          It is not
        </button>
      </div>
    </li>
  );
}
