import type { ReactNode } from "react";
import { Component } from "react";
import { Icon } from "../ui/Icon";

interface CrashBoundaryProps {
  /** Another place is another try. */
  place: string;
  children: ReactNode;
}

/** Keeps the frame standing when a screen fails: a fault of ours, said as one. */
export class CrashBoundary extends Component<CrashBoundaryProps, { crashedAt: string | null }> {
  override state = { crashedAt: null as string | null };

  static getDerivedStateFromError() {
    return { crashedAt: "" };
  }

  override componentDidCatch() {
    this.setState({ crashedAt: this.props.place });
  }

  override componentDidUpdate() {
    const { crashedAt } = this.state;
    if (crashedAt !== null && crashedAt !== "" && crashedAt !== this.props.place) {
      this.setState({ crashedAt: null });
    }
  }

  override render() {
    if (this.state.crashedAt === null) return this.props.children;
    return (
      <div className="page">
        <div className="state" role="alert">
          <span className="state-icon state-icon-bad">
            <Icon name="alert" />
          </span>
          <h1>This screen has a fault</h1>
          <p className="muted">Nothing that you saved is lost. Load the page again, or go elsewhere.</p>
          <button type="button" className="button" onClick={() => location.reload()}>
            Load again
          </button>
        </div>
      </div>
    );
  }
}
