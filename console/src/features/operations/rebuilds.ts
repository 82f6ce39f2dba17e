import type { Projection } from "../../api/types";

/** Whether a rebuild is asked for or under way. */
export function isOpen({ rebuild }: Projection): boolean {
  return rebuild !== null && ["requested", "running", "cancelling"].includes(rebuild.state);
}
