import { Field } from "../../ui/Field";

/** What the importer says about the people in the file; it goes into the record of each. */
export interface ConsentStatement {
  /** Empty: nothing is claimed, and nobody may be texted because of this import. */
  purpose: "" | "marketing" | "transactional";
  wording: string;
}

export const noStatement: ConsentStatement = { purpose: "", wording: "" };

export function isComplete({ purpose, wording }: ConsentStatement): boolean {
  return purpose === "" || wording.trim() !== "";
}

export function consentOf({ purpose, wording }: ConsentStatement, source: string) {
  if (purpose === "") return null;
  return { channel: "sms", purpose, method: "import_statement", source, wording: wording.trim() };
}

interface ImportConsentProps {
  statement: ConsentStatement;
  onChange: (statement: ConsentStatement) => void;
}

export function ImportConsent({ statement, onChange }: ImportConsentProps) {
  return (
    <>
      <Field label="Did these people agree to be texted?">
        <select
          value={statement.purpose}
          onChange={(event) => onChange({ ...statement, purpose: purposeOf(event.target.value) })}
        >
          <option value="">No, or I do not know</option>
          <option value="marketing">Yes, to marketing</option>
          <option value="transactional">Yes, to personal or service texts</option>
        </select>
      </Field>
      {statement.purpose !== "" && (
        <Field label="What they agreed to" hint="The exact words they were shown or told">
          <textarea
            rows={2}
            value={statement.wording}
            onChange={(event) => onChange({ ...statement, wording: event.target.value })}
          />
        </Field>
      )}
    </>
  );
}

function purposeOf(value: string): ConsentStatement["purpose"] {
  return value === "marketing" || value === "transactional" ? value : "";
}
