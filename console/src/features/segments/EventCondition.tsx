import { Choice } from "./Choice";
import { DurationInput } from "./DurationInput";
import type { EventRow } from "./filter";
import { countOpNames, eventNames } from "./filter";

interface EventConditionProps {
  row: EventRow;
  label: (what: string) => string;
  onChange: (row: EventRow) => void;
}

const windows = [
  ["within", "in the last"],
  ["ever", "ever"],
] as const;

/** What happened, how often, since when. */
export function EventCondition({ row, label, onChange }: EventConditionProps) {
  return (
    <>
      <Choice
        label={label("Event")}
        value={row.event}
        choices={eventNames}
        onChange={(event) => onChange({ ...row, event })}
      />
      <Choice
        label={label("Operator")}
        value={row.op}
        choices={countOpNames}
        onChange={(op) => onChange({ ...row, op })}
      />
      <input
        type="number"
        min={0}
        max={100}
        className="builder-count"
        aria-label={label("Count")}
        value={row.count}
        onChange={(event) => onChange({ ...row, count: event.target.value })}
      />
      <Choice
        label={label("Window")}
        value={row.within === "" ? "ever" : "within"}
        choices={windows}
        onChange={(window) => onChange({ ...row, within: window === "ever" ? "" : "30d" })}
      />
      {row.within !== "" && (
        <DurationInput
          label={label("Length of the window")}
          value={row.within}
          onChange={(within) => onChange({ ...row, within: within === "" ? "d" : within })}
        />
      )}
    </>
  );
}
