import { Dialog } from "./Dialog";

const everywhere: readonly (readonly [string, string])[] = [
  ["/", "Search"],
  ["j", "Next row"],
  ["k", "Previous row"],
  ["Enter", "Open the row"],
  ["n", "New"],
  ["m", "Write a message (on a contact)"],
  ["?", "This list"],
];

interface KeysDialogProps {
  sections: readonly (readonly string[])[];
  onClose: () => void;
}

export function KeysDialog({ sections, onClose }: KeysDialogProps) {
  return (
    <Dialog title="Keyboard" onClose={onClose}>
      <dl className="keys">
        {[...everywhere, ...sections].map(([keys = "", meaning = ""]) => (
          <div key={keys}>
            <dt>
              {keys.split(" ").map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
