import { useState } from "react";
import { useWrite } from "../../api/hooks";
import { Field } from "../../ui/Field";
import { FormDialog, problemsOf } from "../../ui/FormDialog";
import { formatMoney, parseDollars } from "../../ui/money";
import { useToast } from "../../ui/Toast";

const usualAmounts = ["25", "50", "100", "250"] as const;

interface AddFundsDialogProps {
  onClose: () => void;
  onAdded: () => void;
}

export function AddFundsDialog({ onClose, onAdded }: AddFundsDialogProps) {
  const [typed, setTyped] = useState("50");
  const [wasTried, setTried] = useState(false);
  const write = useWrite();
  const toast = useToast();
  const amount = parseDollars(typed);
  const problem = wasTried && amount === null ? "Enter an amount such as 50 or 12.50" : undefined;
  const submit = async () => {
    setTried(true);
    if (amount === null) return;
    if ((await write.run("POST", "/api/wallet/add-funds", { amount })) === null) return;
    toast.say(`${formatMoney({ amount, unit: "usd_micro" })} added.`);
    onAdded();
  };
  return (
    <FormDialog
      title="Add funds"
      action="Add funds"
      doing="Adding…"
      write={write}
      noValidate
      onSubmit={submit}
      onClose={onClose}
    >
      <div className="row" role="group" aria-label="Usual amounts">
        {usualAmounts.map((dollars) => (
          <button
            key={dollars}
            type="button"
            className="button"
            aria-pressed={typed === dollars}
            onClick={() => setTyped(dollars)}
          >
            ${dollars}
          </button>
        ))}
      </div>
      <Field
        label="Amount in dollars"
        problem={problem ?? problemsOf(write).get("amount")}
      >
        <input
          inputMode="decimal"
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
        />
      </Field>
    </FormDialog>
  );
}
