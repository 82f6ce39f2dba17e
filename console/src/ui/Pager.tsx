import { useRef } from "react";
import { Icon } from "./Icon";

interface PagerProps {
  /** The page shown is still the one before. */
  isLoading: boolean;
  label: string;
  onPrevious: (() => void) | null;
  onNext: (() => void) | null;
}

/** Next and previous over cursors; nothing where one page holds everything. */
export function Pager({ isLoading, label, onPrevious, onNext }: PagerProps) {
  // The label speaks of the rows that are there, and a second click waits for the first.
  const shown = useRef(label);
  if (!isLoading) shown.current = label;
  if (onPrevious === null && onNext === null) return null;
  const follow = (action: (() => void) | null) => () => {
    if (!isLoading) action?.();
  };
  return (
    <nav className="pager" aria-label="Pages">
      <span className="muted number">{shown.current}</span>
      <button
        type="button"
        className="button"
        disabled={onPrevious === null}
        onClick={follow(onPrevious)}
      >
        <Icon name="left" />
        Previous
      </button>
      <button type="button" className="button" disabled={onNext === null} onClick={follow(onNext)}>
        Next
        <Icon name="right" />
      </button>
    </nav>
  );
}
