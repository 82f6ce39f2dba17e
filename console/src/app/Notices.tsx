import { useState } from "react";
import { useMay, useQuery } from "../api/hooks";
import { useLive } from "../api/live";
import type { List, Notice } from "../api/types";
import { Dialog } from "../ui/Dialog";
import { Icon } from "../ui/Icon";
import { Time } from "../ui/Time";

const calmMillis = 1_000;

/** What comes and goes with them. */
const types = ["webhook_endpoint.*", "webhook.*", "org.*", "wallet.*", "user.*"];

/** What the account's administrators should know: seen while there is anything, opened for the words. */
export function Notices() {
  const maySee = useMay("account:read");
  const notices = useQuery<List<Notice>>(maySee ? "/api/notices?limit=200" : null);
  // Read from the log itself: the page says where.
  useLive({ ...notices, position: notices.data?.as_of ?? null }, types, calmMillis);
  const [isOpen, setOpen] = useState(false);
  const all = notices.data?.data ?? [];
  const urgent = all.filter(({ kind }) => kind !== "checkpoint_published");
  if (all.length === 0) return null;
  const name = urgent.length === 1 ? "1 notice" : `${urgent.length} notices`;
  return (
    <>
      <button
        type="button"
        className={urgent.length > 0 ? "chip chip-notices" : "chip"}
        aria-haspopup="dialog"
        onClick={() => setOpen(true)}
      >
        <Icon name={urgent.length > 0 ? "alert" : "check"} />
        <span className="chip-label">{name}</span>
      </button>
      {isOpen && (
        <Dialog title="Notices" onClose={() => setOpen(false)}>
          <ul className="notices">
            {[...urgent, ...all.filter((notice) => !urgent.includes(notice))].map((notice) => (
              <li key={`${notice.kind} ${notice.subject}`}>
                <p className="notice-words">{notice.words}</p>
                <p className="muted small">{notice.advice}</p>
                {notice.checkpoint !== null && <pre className="notice-head">{notice.checkpoint}</pre>}
                {notice.since !== null && (
                  <p className="muted small">
                    Since <Time at={notice.since} />
                  </p>
                )}
              </li>
            ))}
          </ul>
        </Dialog>
      )}
    </>
  );
}
