import { useMay, useWrite } from "../api/hooks";
import { text, field } from "../api/failure";
import { Icon } from "../ui/Icon";
import { formatDateTime } from "../ui/dates";
import { useToast } from "../ui/Toast";
import { useActing } from "./session";

const daySeconds = 86_400;

/** A test org's own clock, and the way to make tomorrow come. */
export function TestClock() {
  const { account, replaceAccount } = useActing();
  const mayAdvance = useMay("account:create");
  const write = useWrite();
  const toast = useToast();
  const advance = async () => {
    const answer = await write.run("POST", "/api/test-clock/advance", { seconds: daySeconds });
    const now = text(field(answer, "now"));
    if (now === null) {
      toast.say("The clock was not advanced. Try again.", "bad");
      return;
    }
    replaceAccount({ ...account, now });
    toast.say(`It is now ${formatDateTime(now, account.time_zone)} here.`);
  };
  return (
    <span className="chip chip-amber" title={`Test clock, ${account.time_zone}`}>
      <Icon name="clock" />
      <span className="chip-label">
        <span className="visually-hidden">Test clock: </span>
        <time dateTime={account.now}>{formatDateTime(account.now, account.time_zone)}</time>
      </span>
      {mayAdvance && (
        <button
          type="button"
          className="chip-button"
          aria-label="Advance 1 day"
          title="Advance 1 day"
          disabled={write.isBusy}
          onClick={() => void advance()}
        >
          +1 day
        </button>
      )}
    </span>
  );
}
