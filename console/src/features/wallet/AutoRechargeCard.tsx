import type { FormEvent } from "react";
import { useEffect, useState } from "react";
import { useQuery, useWrite } from "../../api/hooks";
import type { AutoRecharge } from "../../api/types";
import { Field } from "../../ui/Field";
import { Icon } from "../../ui/Icon";
import { formatMoney, parseDollars } from "../../ui/money";
import { FailureNote, Skeleton } from "../../ui/states";
import { useToast } from "../../ui/Toast";

const path = "/api/wallet/auto-recharge";

/** When the wallet fills itself up, by how much, and at most how much in thirty days. */
export function AutoRechargeCard() {
  const rule = useQuery<AutoRecharge>(path);
  return (
    <section className="card recharge" aria-label="Auto-recharge">
      <div className="card-body">
        <h2>Auto-recharge</h2>
        <FailureNote failure={rule.failure} />
        {rule.data === null ? (
          <Skeleton width="100%" />
        ) : (
          <RuleForm key={JSON.stringify(rule.data)} rule={rule.data} onSaved={() => rule.reload()} />
        )}
      </div>
    </section>
  );
}

const dollars = (micros: number) => String(micros / 1_000_000);

function RuleForm({ rule, onSaved }: { rule: AutoRecharge; onSaved: () => void }) {
  const [isOn, setOn] = useState(rule.enabled);
  const [threshold, setThreshold] = useState(dollars(rule.threshold.amount));
  const [amount, setAmount] = useState(dollars(rule.amount.amount));
  const [cap, setCap] = useState(dollars(rule.monthly_cap.amount));
  const [problems, setProblems] = useState(new Map<string, string>());
  const write = useWrite();
  const toast = useToast();
  const { failure } = write;
  useEffect(() => {
    if (failure !== null) setProblems(failure.fields);
  }, [failure]);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const typed = { threshold: parseDollars(threshold), amount: parseDollars(amount), monthly_cap: parseDollars(cap) };
    const wrong = Object.entries(typed).filter(([, value]) => value === null);
    setProblems(new Map(wrong.map(([name]) => [name, "Enter an amount such as 50 or 12.50"])));
    if (wrong.length > 0) return;
    const saved = await write.run<AutoRecharge>("POST", `${path}/configure`, { enabled: isOn, ...typed });
    if (saved === null) return;
    toast.say(
      saved.enabled && saved.payment_provider === null
        ? "Saved. Nothing is charged until a payment provider is set up."
        : saved.enabled
        ? `Below ${formatMoney(saved.threshold)} the wallet is filled up by ${formatMoney(saved.amount)}.`
        : "The wallet is not filled up by itself any more.",
    );
    onSaved();
  };
  return (
    <form className="recharge-form" noValidate onSubmit={(event) => void submit(event)}>
      {problems.size === 0 && <FailureNote failure={failure} />}
      {rule.payment_provider === null && (
        <div className="note note-amber" role="status">
          <Icon name="alert" />
          <div>
            Nothing can be charged: no payment provider is set up.{" "}
            {rule.enabled && "The wallet is not filled up by itself until one is. "}
            Set one up with <code>PUT /api/providers/payment</code>, or add funds by hand.
          </div>
        </div>
      )}
      <label className="check">
        <input type="checkbox" checked={isOn} onChange={(event) => setOn(event.target.checked)} />
        Fill the wallet up by itself
      </label>
      <div className="field-triple">
        <Field label="Below (dollars)" problem={problems.get("threshold")}>
          <input inputMode="decimal" disabled={!isOn} value={threshold} onChange={(e) => setThreshold(e.target.value)} />
        </Field>
        <Field label="By (dollars)" problem={problems.get("amount")}>
          <input inputMode="decimal" disabled={!isOn} value={amount} onChange={(e) => setAmount(e.target.value)} />
        </Field>
        <Field label="At most in 30 days (dollars)" problem={problems.get("monthly_cap")}>
          <input inputMode="decimal" disabled={!isOn} value={cap} onChange={(e) => setCap(e.target.value)} />
        </Field>
      </div>
      <button type="submit" className="button" disabled={write.isBusy}>
        {write.isBusy ? "Saving…" : "Save"}
      </button>
    </form>
  );
}
