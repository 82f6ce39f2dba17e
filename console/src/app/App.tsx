import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { Client, isAbort, newIdempotencyKey } from "../api/client";
import { Failure } from "../api/failure";
import { ClientContext, RightsContext } from "../api/hooks";
import type { Account, Session } from "../api/types";
import { SignIn } from "../features/sign-in/SignIn";
import { FailureState, LoadingPage } from "../ui/states";
import { ToastProvider } from "../ui/Toast";
import { CrashBoundary } from "./CrashBoundary";
import { AddressContext, navigateTo, usePlace } from "./router";
import { ActingContext } from "./session";
import { Screens } from "./Screens";
import { Shell } from "./Shell";

type Start =
  | { step: "asking" }
  | { step: "failed"; failure: Failure }
  | { step: "signedOut"; hasExpired: boolean }
  | { step: "signedIn"; session: Session };

export function App() {
  const [start, setStart] = useState<Start>({ step: "asking" });
  const csrfToken = useRef<string | null>(null);
  const [round, setRound] = useState(0);

  const surroundings = useMemo(
    () => ({
      csrfToken: () => csrfToken.current,
      onSignedOut: () =>
        setStart((before) => ({ step: "signedOut", hasExpired: before.step === "signedIn" })),
    }),
    [],
  );
  const ownClient = useMemo(
    () => new Client({ ...surroundings, account: null }),
    [surroundings],
  );
  const enter = useCallback((session: Session) => {
    csrfToken.current = session.csrf_token;
    setStart({ step: "signedIn", session });
  }, []);

  useEffect(() => {
    const abort = new AbortController();
    ownClient.get<Session>("/api/session", { signal: abort.signal }).then(
      (answer) => enter(answer.body),
      (error: unknown) => {
        if (isAbort(error)) return;
        if (!(error instanceof Failure)) throw error;
        if (error.status !== 401) setStart({ step: "failed", failure: error });
      },
    );
    return () => abort.abort();
  }, [ownClient, enter, round]);

  switch (start.step) {
    case "asking":
      return <LoadingPage />;
    case "failed":
      return (
        <main className="alone">
          <FailureState failure={start.failure} onRetry={() => setRound(round + 1)} />
        </main>
      );
    case "signedOut":
      return <SignIn client={ownClient} hasExpired={start.hasExpired} onSignedIn={enter} />;
    case "signedIn":
      return (
        <SignedIn
          session={start.session}
          ownClient={ownClient}
          surroundings={surroundings}
          onSession={enter}
        />
      );
  }
}

interface SignedInProps {
  session: Session;
  ownClient: Client;
  surroundings: { csrfToken: () => string | null; onSignedOut: () => void };
  onSession: (session: Session) => void;
}

function SignedIn({ session, ownClient, surroundings, onSession }: SignedInProps) {
  const place = usePlace();
  const wanted = place.account ?? session.account.id;
  const known = session.accounts.find(({ id }) => id === wanted);
  /** Accounts of addresses that the session does not reach. */
  const [missing, setMissing] = useState<string | null>(null);
  const isAsked = known === undefined && missing !== wanted;
  useEffect(() => {
    if (!isAsked) return;
    const abort = new AbortController();
    const path = `/api/accounts/${encodeURIComponent(wanted)}`;
    ownClient.get<Account>(path, { signal: abort.signal }).then(
      ({ body }) => onSession({ ...session, accounts: [...session.accounts, body] }),
      (error: unknown) => {
        if (isAbort(error)) return;
        if (!(error instanceof Failure)) throw error;
        setMissing(wanted);
      },
    );
    return () => abort.abort();
  }, [isAsked, wanted, ownClient, session, onSession]);
  const account = known ?? session.account;
  const isOwn = account.id === session.account.id;
  const client = useMemo(
    () => (isOwn ? ownClient : new Client({ ...surroundings, account: account.id })),
    [isOwn, ownClient, surroundings, account.id],
  );

  const acting = useMemo(
    () => ({
      session,
      account,
      isAgencyUser: session.account.kind === "agency",
      clockOffsetMillis: Date.parse(account.now) - Date.now(),
      replaceAccount: (changed: Account) => onSession(withAccount(session, changed)),
      signOut: () => {
        void ownClient
          .write("DELETE", "/api/session", null, { idempotencyKey: newIdempotencyKey() })
          .finally(() => {
            navigateTo("/", { replace: true });
            location.reload();
          });
      },
    }),
    [session, account, ownClient, onSession],
  );

  if (isAsked) return <LoadingPage />;
  return (
    <ClientContext.Provider value={client}>
      <RightsContext.Provider value={session.user.scopes}>
        <AddressContext.Provider value={isOwn ? "" : `/${account.id}`}>
          <ActingContext.Provider value={acting}>
            <ToastProvider>
              <Shell place={place}>
                <CrashBoundary place={account.id + place.path}>
                  <Screens key={account.id} place={place} />
                </CrashBoundary>
              </Shell>
            </ToastProvider>
          </ActingContext.Provider>
        </AddressContext.Provider>
      </RightsContext.Provider>
    </ClientContext.Provider>
  );
}

function withAccount(session: Session, account: Account): Session {
  return {
    ...session,
    account: session.account.id === account.id ? account : session.account,
    accounts: session.accounts.map((each) => (each.id === account.id ? account : each)),
  };
}
