import type { WalletTransaction } from "../../api/types";
import { formatMoney } from "../../ui/money";
import { Time } from "../../ui/Time";

export function TransactionsTable({ transactions }: { transactions: WalletTransaction[] }) {
  return (
    <div className="table-frame card">
      <table className="table compact">
        <thead>
          <tr>
            <th scope="col">Time</th>
            <th scope="col">What</th>
            <th scope="col" className="wide-only">
              Kind
            </th>
            <th scope="col" className="right">
              Amount
            </th>
            <th scope="col" className="right wide-only">
              Balance after
            </th>
          </tr>
        </thead>
        <tbody>
          {transactions.map((transaction) => (
            <tr key={transaction.id}>
              <td className="nowrap muted">
                <Time at={transaction.created_at} />
              </td>
              <td>{transaction.description ?? kindLook(transaction.type).name}</td>
              <td className="wide-only">
                <span className={`badge badge-${kindLook(transaction.type).colour}`}>
                  {kindLook(transaction.type).name}
                </span>
              </td>
              <td className="right number">{signed(transaction)}</td>
              <td className="right number muted wide-only">
                {transaction.balance_after ? formatMoney(transaction.balance_after, "ledger") : "–"}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Money in with a plus, money out with a minus; a hold moves nothing yet. */
function signed({ type, amount }: WalletTransaction): string {
  const size = formatMoney({ ...amount, amount: Math.abs(amount.amount) }, "ledger");
  if (type === "debit" || (type !== "hold" && type !== "release" && amount.amount < 0)) {
    return `−${size}`;
  }
  return type === "credit" || type === "refund" ? `+${size}` : size;
}

function kindLook(type: string): { name: string; colour: string } {
  switch (type) {
    case "credit":
      return { name: "Funds added", colour: "green" };
    case "debit":
      return { name: "Charge", colour: "grey" };
    case "refund":
      return { name: "Refund", colour: "green" };
    case "hold":
      return { name: "Hold", colour: "amber" };
    case "release":
      return { name: "Released", colour: "blue" };
    default:
      return { name: type, colour: "grey" };
  }
}
