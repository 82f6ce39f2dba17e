"""Which error codes the document names for an operation: what every refusal is held to, whoever asked."""

# What HTTP itself answers, whatever the operation.
OF_HTTP = {"method_not_allowed", "target_too_long", "headers_too_large", "malformed_request"}


def unnamed(operation: dict, status: int, error: dict) -> set[str]:
    """The codes of a refusal that the document does not name for the operation and the status."""
    codes = {error["code"]} | {detail["code"] for detail in error["details"] if status == 400}
    named = operation["responses"].get(str(status), {}).get("x-error-codes", [])
    return codes - set(named) - OF_HTTP
