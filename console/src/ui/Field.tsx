import type { ReactElement, ReactNode } from "react";
import { cloneElement, useId } from "react";

interface FieldProps {
  label: string;
  hint?: ReactNode;
  problem?: string | undefined;
  isOptional?: boolean;
  /** The one input that the label belongs to. */
  children: ReactElement;
}

/** An input with its label, hint and problem, tied together for screen readers. */
export function Field({ label, hint, problem, isOptional = false, children }: FieldProps) {
  const id = useId();
  const noteID = `${id}-note`;
  const hasNote = problem !== undefined || hint !== undefined;
  return (
    <div className={problem === undefined ? "field" : "field field-bad"}>
      <label htmlFor={id}>
        {label}
        {isOptional && <span className="muted"> optional</span>}
      </label>
      {cloneElement(children, {
        id,
        "aria-invalid": problem === undefined ? undefined : true,
        "aria-describedby": hasNote ? noteID : undefined,
      })}
      {hasNote && (
        <p id={noteID} className={problem === undefined ? "field-hint" : "field-problem"}>
          {problem ?? hint}
        </p>
      )}
    </div>
  );
}
