import type { ReactNode } from "react";
import { createContext, useContext, useEffect, useMemo, useState } from "react";

type Mood = "good" | "bad";

interface Toast {
  text: string;
  mood: Mood;
  number: number;
}

export interface Toaster {
  say: (text: string, mood?: Mood) => void;
}

const ToastContext = createContext<Toaster | null>(null);
const shownMillis = 6_000;

export function useToast(): Toaster {
  const toaster = useContext(ToastContext);
  if (toaster === null) throw new Error("useToast outside of a ToastProvider");
  return toaster;
}

/** Short news about what the user just did, read out by screen readers. */
export function ToastProvider({ children }: { children: ReactNode }) {
  const [toast, setToast] = useState<Toast | null>(null);
  const toaster = useMemo<Toaster>(
    () => ({
      say: (text, mood = "good") =>
        setToast((before) => ({ text, mood, number: (before?.number ?? 0) + 1 })),
    }),
    [],
  );
  useEffect(() => {
    if (toast === null) return;
    const timer = setTimeout(() => setToast(null), shownMillis);
    return () => clearTimeout(timer);
  }, [toast]);
  return (
    <ToastContext.Provider value={toaster}>
      {children}
      <div className="toasts" role="status">
        {toast !== null && (
          <div key={toast.number} className={`toast toast-${toast.mood}`}>
            {toast.text}
          </div>
        )}
      </div>
    </ToastContext.Provider>
  );
}
