"""Two families of protocol errors: ours and theirs."""


class ProtocolError(Exception):
    """Base of both families. `code` is stable; the text is for a log."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


class LocalProtocolError(ProtocolError):
    """We tried to send what the protocol does not allow: a fault in our program."""


class RemoteProtocolError(ProtocolError):
    """The other end sent what the protocol does not allow."""
