import { useEffect, useState } from "react";

/** `value`, once it has not changed for `delayMillis`. */
export function useDebounced<Value>(value: Value, delayMillis: number): Value {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), delayMillis);
    return () => clearTimeout(timer);
  }, [value, delayMillis]);
  return settled;
}
