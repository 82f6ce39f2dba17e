import type { ContentFinding } from "../api/types";
import { Icon } from "./Icon";

/** What carriers and mailbox providers have against a text, for its author. */
export function Findings({ findings }: { findings: ContentFinding[] }) {
  if (findings.length === 0) return null;
  const isRefused = findings.some((finding) => finding.severity === "refusal");
  return (
    <div className={isRefused ? "note note-bad" : "note note-amber"} role="status">
      <Icon name="alert" />
      <ul className="findings">
        {findings.map((finding) => (
          <li key={finding.field + finding.code}>{finding.message}</li>
        ))}
      </ul>
    </div>
  );
}
