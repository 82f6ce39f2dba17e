import { Choice } from "./Choice";

const units = [
  ["d", "days"],
  ["h", "hours"],
  ["m", "minutes"],
] as const;

interface DurationInputProps {
  /** Such as `30d`. */
  value: string;
  label: string;
  onChange: (value: string) => void;
}

/** A length of time: how many of what. */
export function DurationInput({ value, label, onChange }: DurationInputProps) {
  const unit = units.find(([each]) => value.endsWith(each))?.[0] ?? "d";
  const amount = value.replace(/[dhm]$/, "");
  return (
    <span className="builder-duration">
      <input
        type="number"
        min={1}
        step={1}
        aria-label={label}
        value={amount}
        onChange={(event) => onChange(event.target.value === "" ? "" : event.target.value + unit)}
      />
      <Choice
        label={`${label}, unit`}
        value={unit}
        choices={units}
        onChange={(each) => onChange(amount + each)}
      />
    </span>
  );
}
