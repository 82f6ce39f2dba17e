import { Choice } from "./Choice";
import { DurationInput } from "./DurationInput";
import type { FieldRow } from "./filter";
import { consentValues, operators, valueKind } from "./filter";

interface EditorProps {
  row: FieldRow;
  label: (what: string) => string;
  onChange: (row: FieldRow) => void;
}

/** A condition on `field` with its commonest operator and nothing filled in that has to be typed. */
function first(field: string): FieldRow {
  return withOperator({ field, customName: "", op: "", value: "" }, operators(field)[0]?.[0] ?? "eq");
}

/** What was typed stays, where it means the same behind the new operator. */
function withOperator(row: FieldRow, op: string): FieldRow {
  const changed = { ...row, op };
  if (row.op !== "" && valueKind(changed) === valueKind(row)) return changed;
  const value = { nothing: "", consent: "opted_in", duration: "30d", day: "", text: "" };
  return { ...changed, value: value[valueKind(changed)] };
}

function Editor({ row, label, onChange }: EditorProps) {
  return (
    <>
      {row.field === "custom" && (
        <input
          aria-label={label("Custom field")}
          placeholder="Field name"
          value={row.customName}
          onChange={(event) => onChange({ ...row, customName: event.target.value })}
        />
      )}
      <Choice
        label={label("Operator")}
        value={row.op}
        choices={operators(row.field)}
        onChange={(op) => onChange(withOperator(row, op))}
      />
      <Value row={row} label={label("Value")} onChange={(value) => onChange({ ...row, value })} />
    </>
  );
}

interface ValueProps {
  row: FieldRow;
  label: string;
  onChange: (value: string) => void;
}

function Value({ row, label, onChange }: ValueProps) {
  const { value } = row;
  switch (valueKind(row)) {
    case "nothing":
      return <span />;
    case "consent":
      return <Choice label={label} value={value} choices={consentValues} onChange={onChange} />;
    case "duration":
      return <DurationInput label={label} value={value} onChange={onChange} />;
    case "day":
      return (
        <input
          type="date"
          aria-label={label}
          value={value}
          onChange={(event) => onChange(event.target.value)}
        />
      );
    case "text":
      return (
        <input aria-label={label} value={value} onChange={(event) => onChange(event.target.value)} />
      );
  }
}

export const FieldCondition = { first, Editor };
