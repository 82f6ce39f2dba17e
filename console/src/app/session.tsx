import { createContext, useContext } from "react";
import type { Account, Session } from "../api/types";

/** Who is signed in and for which org they act. */
export interface Acting {
  session: Session;
  account: Account;
  isAgencyUser: boolean;
  /** Milliseconds that the org's clock is ahead of this machine's. */
  clockOffsetMillis: number;
  replaceAccount: (account: Account) => void;
  signOut: () => void;
}

export const ActingContext = createContext<Acting | null>(null);

export function useActing(): Acting {
  const acting = useContext(ActingContext);
  if (acting === null) throw new Error("useActing outside of an ActingContext");
  return acting;
}
