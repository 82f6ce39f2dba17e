import type { FormEvent } from "react";
import { useEffect, useState } from "react";
import type { Client } from "../../api/client";
import { newIdempotencyKey } from "../../api/client";
import { Failure } from "../../api/failure";
import type { Session } from "../../api/types";
import { Field } from "../../ui/Field";
import { Icon } from "../../ui/Icon";
import { FailureNote } from "../../ui/states";

interface SignInProps {
  client: Client;
  /** The user was inside a moment ago. */
  hasExpired: boolean;
  onSignedIn: (session: Session) => void;
}

export function SignIn({ client, hasExpired, onSignedIn }: SignInProps) {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [isBusy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);
  useEffect(() => {
    document.title = "Sign in · Daybook";
  }, []);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setFailure(null);
    try {
      const options = { idempotencyKey: newIdempotencyKey() };
      const answer = await client.write<Session>("POST", "/api/session", { email, password }, options);
      onSignedIn(answer.body);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      setFailure(error);
    } finally {
      setBusy(false);
    }
  };

  return (
    <main className="alone">
      <form className="sign-in card" onSubmit={(event) => void submit(event)}>
        <div className="brand">
          <Icon name="brand" />
          <span>Daybook</span>
        </div>
        <h1>Sign in</h1>
        {hasExpired && failure === null && (
          <p className="note note-amber" role="status">
            Your session has ended. Sign in to go on where you were.
          </p>
        )}
        <FailureNote failure={failure} />
        <Field label="Email">
          <input
            type="email"
            autoComplete="username"
            required
            autoFocus
            value={email}
            onChange={(event) => setEmail(event.target.value)}
          />
        </Field>
        <Field label="Password">
          <input
            type="password"
            autoComplete="current-password"
            required
            value={password}
            onChange={(event) => setPassword(event.target.value)}
          />
        </Field>
        <button type="submit" className="button button-primary button-wide" disabled={isBusy}>
          {isBusy ? "Signing in…" : "Sign in"}
        </button>
      </form>
    </main>
  );
}
