"""Acts that need both who sells and who charges: opening, closing and changing what the books hold.

Floor 5, above vending and billing. A conversation is a row of `vending.Opening`, so that pages and slips know one kind
of opening and closing; of its own are only the meters that were exchanged (`models.Swap`).
"""
