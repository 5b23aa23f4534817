"""The estate as a spreadsheet: read, checked whole, and taken over whole or not at all.

`reading` makes rows of texts of a file, `check` says what each would do, `taking_over.run` does it; `template` makes
an empty one. Floor 5: a supply point is opened by the verbs of billing and vending. No tables of its own.
"""
