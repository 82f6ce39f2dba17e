import { Icon } from "../../ui/Icon";
import type { Draft, Row } from "./filter";
import { consentValues, emptyRow, fieldNames, isConsent, operators } from "./filter";

interface FilterBuilderProps {
  draft: Draft;
  onChange: (draft: Draft) => void;
}

/** One line a condition: field, operator, value. */
export function FilterBuilder({ draft, onChange }: FilterBuilderProps) {
  const { rows } = draft;
  const change = (index: number, row: Row) =>
    onChange({ ...draft, rows: rows.map((each, at) => (at === index ? row : each)) });
  return (
    <fieldset className="builder">
      <legend>
        People who match{" "}
        <select
          aria-label="All or any"
          value={draft.match}
          onChange={(event) =>
            onChange({ ...draft, match: event.target.value === "any" ? "any" : "all" })
          }
        >
          <option value="all">all</option>
          <option value="any">any</option>
        </select>{" "}
        of these
      </legend>
      {rows.map((row, index) => (
        <BuilderRow
          key={index}
          row={row}
          number={index + 1}
          onChange={(changed) => change(index, changed)}
          onRemove={
            rows.length === 1
              ? null
              : () => onChange({ ...draft, rows: rows.filter((_, at) => at !== index) })
          }
        />
      ))}
      <button
        type="button"
        className="button button-quiet builder-add"
        onClick={() => onChange({ ...draft, rows: [...rows, emptyRow] })}
      >
        <Icon name="plus" />
        Add a condition
      </button>
    </fieldset>
  );
}

interface BuilderRowProps {
  row: Row;
  number: number;
  onChange: (row: Row) => void;
  onRemove: (() => void) | null;
}

function BuilderRow({ row, number, onChange, onRemove }: BuilderRowProps) {
  const setField = (field: string) => {
    const op = operators(field)[0]?.[0] ?? "eq";
    onChange({ field, customName: "", op, value: isConsent(field) ? "opted_in" : "" });
  };
  return (
    <div className="builder-row">
      <Choice
        label={`Field of condition ${number}`}
        value={row.field}
        choices={fieldNames}
        onChange={setField}
      />
      {row.field === "custom" && (
        <input
          aria-label={`Custom field of condition ${number}`}
          placeholder="Field name"
          value={row.customName}
          onChange={(event) => onChange({ ...row, customName: event.target.value })}
        />
      )}
      <Choice
        label={`Operator of condition ${number}`}
        value={row.op}
        choices={operators(row.field)}
        onChange={(op) => onChange({ ...row, op })}
      />
      {row.op === "exists" ? (
        <span />
      ) : isConsent(row.field) ? (
        <Choice
          label={`Value of condition ${number}`}
          value={row.value}
          choices={consentValues}
          onChange={(value) => onChange({ ...row, value })}
        />
      ) : (
        <input
          aria-label={`Value of condition ${number}`}
          value={row.value}
          onChange={(event) => onChange({ ...row, value: event.target.value })}
        />
      )}
      <button
        type="button"
        className="icon-button"
        aria-label={`Remove condition ${number}`}
        disabled={onRemove === null}
        onClick={() => onRemove?.()}
      >
        <Icon name="close" />
      </button>
    </div>
  );
}

interface ChoiceProps {
  label: string;
  value: string;
  choices: readonly (readonly [string, string])[];
  onChange: (value: string) => void;
}

function Choice({ label, value, choices, onChange }: ChoiceProps) {
  return (
    <select aria-label={label} value={value} onChange={(event) => onChange(event.target.value)}>
      {choices.map(([each, name]) => (
        <option key={each} value={each}>
          {name}
        </option>
      ))}
    </select>
  );
}
