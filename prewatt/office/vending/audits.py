"""Whether sales, deliveries, receipts, payments and books agree: what no constraint of the database can say.

Reads only, in one statement, so that all of it is one instant also while sales are made. For `prewatt doctor`,
for tests, for the night before an inspection: it walks all rows of the sites it is asked about.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, LiteralString

from django.db import connection

MOST_PER_CHECK: Final = 20  # findings of one kind: one shows the fault, twenty show its pattern


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that does not agree. `check` is a key of CHECKS; `subject` names the row, `seen` what was found."""

    check: str
    site_id: int
    subject: str
    seen: str


_OPEN: LiteralString = "('waiting', 'sent', 'unknown', 'disputed')"
_REFUNDED: LiteralString = (
    "EXISTS (SELECT FROM vending_act a WHERE a.delivery_id = d.id AND a.kind = 'refund' AND a.state = 'done')"
)

# check -> SELECT site_id, subject, seen; a row is a finding
CHECKS: Final[dict[str, LiteralString]] = {
    # rows that name what is not there (foreign keys of a sale are not checked: docs/decisions/foreign-keys.md)
    "sale_orphan": """
        SELECT s.site_id, 'sale ' || s.id, 'contract, circuit, supply point, till, shift, payment or entry is missing'
        FROM vending_sale s
        LEFT JOIN estate_contract c ON c.id = s.contract_id LEFT JOIN estate_circuit ci ON ci.id = s.circuit_id
        LEFT JOIN estate_supplypoint sp ON sp.id = s.supply_point_id LEFT JOIN vending_till t ON t.id = s.till_id
        LEFT JOIN vending_shift sh ON sh.id = s.shift_id LEFT JOIN payments_payment p ON p.id = s.payment_id
        LEFT JOIN ledger_entry e ON e.id = s.entry_id AND e.site_id = s.site_id
        WHERE c.id IS NULL OR ci.id IS NULL OR sp.id IS NULL OR t.id IS NULL OR p.id IS NULL OR e.id IS NULL
            OR (s.shift_id IS NOT NULL AND sh.id IS NULL)""",
    "receipt_orphan": """
        SELECT r.site_id, 'receipt ' || r.id, 'till or contract is missing' FROM vending_receipt r
        LEFT JOIN vending_till t ON t.id = r.till_id LEFT JOIN estate_contract c ON c.id = r.contract_id
        WHERE t.id IS NULL OR (r.contract_id IS NOT NULL AND c.id IS NULL)""",
    "delivery_orphan": f"""
        SELECT d.site_id, 'delivery ' || d.id,
            d.state || ' without its job, its job without a gateway, or no sale to it'
        FROM vending_delivery d LEFT JOIN metering_job j ON j.id = d.job_id
        LEFT JOIN estate_gateway g ON g.id = j.gateway_id
        WHERE (j.id IS NOT NULL AND g.id IS NULL)
            OR (d.state IN {_OPEN} AND d.state <> 'disputed' AND j.id IS NULL AND d.token_request_id IS NULL)
            OR (d.origin = 'sale') <> (d.sale_id IS NOT NULL)""",
    # by token: delivered is what has digits, for what they carry, and nothing else
    "token_delivery": """
        SELECT d.site_id, 'delivery ' || d.id, concat_ws(' ', d.state, d.kind, 'of', d.amount, 'Wh, token', t.kind,
            coalesce(t.state, 'missing'), 'carries', t.carried)
        FROM vending_delivery d JOIN estate_supplypoint sp ON sp.circuit_id = d.circuit_id AND sp.carrier = 'token'
            AND sp.valid_from <= d.created_at AND (sp.valid_to IS NULL OR sp.valid_to > d.created_at)
        LEFT JOIN tokens_tokenrequest t ON t.id = d.token_request_id
        WHERE t.id IS NULL OR d.job_id IS NOT NULL
            OR d.kind = 'purchase' AND (t.carried * 100 <> d.amount
                OR t.kind <> CASE d.origin WHEN 'sale' THEN 'credit' ELSE 'free_credit' END
                OR d.state = 'confirmed' AND t.state <> 'made'
                OR d.state = 'refused' AND t.state IN ('made', 'waiting'))
            OR d.kind = 'return' AND (t.kind <> 'clear_credit' OR t.entered_at IS NULL)""",
    "token_sale_twice": """
        SELECT min(site_id), 'token request ' || token_request_id, 'delivers ' || count(*) || ' purchases'
        FROM vending_delivery WHERE token_request_id IS NOT NULL AND kind = 'purchase'
        GROUP BY token_request_id HAVING count(*) > 1""",
    "transfer_orphan": """
        SELECT t.site_id, 'entry ' || t.entry_id, 'a transfer without its entry, or to an account elsewhere'
        FROM ledger_transfer t LEFT JOIN ledger_entry e ON e.id = t.entry_id AND e.site_id = t.site_id
        LEFT JOIN ledger_account d ON d.id = t.debit_account_id AND d.site_id = t.site_id
        LEFT JOIN ledger_account c ON c.id = t.credit_account_id AND c.site_id = t.site_id
        WHERE e.id IS NULL OR d.id IS NULL OR c.id IS NULL""",
    "entry_empty": """
        SELECT e.site_id, 'entry ' || e.id, e.key || ' has no transfer' FROM ledger_entry e
        WHERE NOT EXISTS (SELECT FROM ledger_transfer t WHERE t.site_id = e.site_id AND t.entry_id = e.id)""",
    # what belongs together
    "sale_incomplete": """
        SELECT s.site_id, 'sale ' || s.id, concat_ws(' ', 'deliveries', d.n, 'receipts', r.n, 'paid', p.amount_minor,
            'booked', b.amount, 'of', s.amount_minor)
        FROM vending_sale s
        CROSS JOIN LATERAL (SELECT count(*) AS n FROM vending_delivery d
            WHERE d.sale_id = s.id AND d.amount = s.credit AND d.value_minor = s.amount_minor) d
        CROSS JOIN LATERAL (SELECT count(*) AS n FROM vending_receipt r WHERE r.sale_id = s.id AND r.kind = 'sale') r
        CROSS JOIN LATERAL (SELECT sum(t.amount_minor) AS amount FROM ledger_transfer t
            WHERE t.site_id = s.site_id AND t.entry_id = s.entry_id) b
        LEFT JOIN payments_payment p ON p.id = s.payment_id
        WHERE d.n <> 1 OR r.n <> 1 OR p.amount_minor <> s.amount_minor OR b.amount IS DISTINCT FROM s.amount_minor""",
    "sale_reversal": """
        SELECT s.site_id, 'sale ' || s.id, s.state || ', reversal ' || coalesce(e.key, 'missing') FROM vending_sale s
        LEFT JOIN ledger_entry e ON e.reverses_id = s.entry_id
        WHERE (s.state = 'reversed') <> (e.id IS NOT NULL)""",
    "delivery_unbooked": """
        SELECT d.site_id, 'delivery ' || d.id,
            d.state || ', booked ' || coalesce(t.amount_minor, 0) || ' of ' || d.value_minor
        FROM vending_delivery d
        LEFT JOIN ledger_entry e ON e.site_id = d.site_id AND e.key = 'confirm:' || d.id
        LEFT JOIN ledger_transfer t ON t.site_id = e.site_id AND t.entry_id = e.id
        WHERE d.credit_account_id IS NULL
          AND coalesce(t.amount_minor, 0) <> CASE d.state WHEN 'confirmed' THEN d.value_minor ELSE 0 END""",
    "held_unbooked": """
        SELECT d.site_id, 'delivery ' || d.id, d.state || ' ' || d.kind || ' of ' || d.value_minor
            || ', its account got ' || m.moved
        FROM vending_delivery d LEFT JOIN vending_sale s ON s.id = d.sale_id
        LEFT JOIN vending_act a ON a.delivery_id = d.id AND a.kind IN ('return', 'make_up')
        CROSS JOIN LATERAL (SELECT coalesce(sum(CASE d.credit_account_id WHEN t.credit_account_id THEN t.amount_minor
                WHEN t.debit_account_id THEN -t.amount_minor ELSE 0 END), 0) AS moved
            FROM ledger_entry e JOIN ledger_transfer t ON t.site_id = e.site_id AND t.entry_id = e.id
            WHERE coalesce(s.entry_id, a.entry_id) IN (e.id, e.reverses_id)) m
        WHERE d.credit_account_id IS NOT NULL AND m.moved <> CASE WHEN d.state <> 'confirmed' THEN 0
            WHEN d.kind = 'purchase' THEN d.value_minor ELSE -d.value_minor END""",
    "delivery_steps": """
        SELECT d.site_id, 'delivery ' || d.id, d.state || ' has no step that says so' FROM vending_delivery d
        WHERE d.state <> 'sent'
          AND NOT EXISTS (SELECT FROM vending_deliverystep s WHERE s.delivery_id = d.id AND s.state = d.state)""",
    "count_twice": """
        SELECT min(site_id), 'circuit ' || circuit_id,
            'count ' || expected_count || ' was confirmed ' || count(*) || ' times'
        FROM vending_delivery WHERE state = 'confirmed' AND token_request_id IS NULL
        GROUP BY circuit_id, expected_count HAVING count(*) > 1""",
    "receipt_numbers": """
        SELECT t.site_id, 'till ' || t.code, concat_ws(' ', r.n, 'receipts, highest', r.top, 'next', t.next_receipt)
        FROM vending_till t CROSS JOIN LATERAL
            (SELECT count(*) AS n, coalesce(max(number), 0) AS top FROM vending_receipt r WHERE r.till_id = t.id) r
        WHERE r.n <> r.top OR t.next_receipt <> r.top + 1""",
    # what stands on the accounts against what the rows say
    "in_delivery": f"""
        SELECT b.site_id, 'account in_delivery', 'books ' || b.booked || ', open deliveries ' || coalesce(o.value, 0)
        FROM balance b LEFT JOIN (
            SELECT d.site_id, sum(d.value_minor) AS value FROM vending_delivery d
            LEFT JOIN vending_sale s ON s.id = d.sale_id
            WHERE d.kind = 'purchase'
              AND (d.state IN {_OPEN} OR d.state = 'refused' AND s.state = 'sold' AND NOT {_REFUNDED})
            GROUP BY d.site_id) o ON o.site_id = b.site_id
        WHERE b.key = 'in_delivery' AND b.booked <> -coalesce(o.value, 0)""",
    "refund_payable": f"""
        SELECT b.site_id, 'account refund_payable',
            'books ' || b.booked || ', returns not paid ' || coalesce(o.value, 0)
        FROM balance b LEFT JOIN (
            SELECT d.site_id, sum(d.value_minor) AS value FROM vending_delivery d
            WHERE d.kind = 'return' AND d.state = 'confirmed' AND NOT {_REFUNDED}
              AND NOT EXISTS (SELECT FROM vending_act a JOIN vending_sale s ON s.id = a.sale_id
                              WHERE a.delivery_id = d.id AND a.kind = 'return' AND s.state = 'reversed')
            GROUP BY d.site_id) o ON o.site_id = b.site_id
        WHERE b.key = 'refund_payable' AND b.booked <> -coalesce(o.value, 0)""",
    "running_balance": """
        SELECT coalesce(r.site_id, b.site_id), 'account ' || coalesce(b.key, r.account_id::text),
            'running ' || coalesce(r.balance_minor::text, 'missing') || ', transfers ' || coalesce(-b.booked, 0)
        FROM ledger_runningbalance r
        FULL JOIN (SELECT * FROM balance WHERE key LIKE 'credit:%%') b ON b.id = r.account_id
        WHERE r.balance_minor IS DISTINCT FROM -b.booked""",
    # what was charged and released against the entries that say so
    "charge_unbooked": """
        SELECT c.site_id, 'entry ' || c.entry_id, 'charges ' || c.amount || ', booked ' || coalesce(t.amount, 0)
            || ' of account ' || c.account_id
        FROM (SELECT u.site_id, u.entry_id, coalesce(sp.credit_account_id, 0) AS account_id,
                  sum(u.amount_minor) AS amount
              FROM billing_charge u LEFT JOIN estate_supplypoint sp ON sp.id = u.supply_point_id
              WHERE u.entry_id IS NOT NULL GROUP BY 1, 2, 3) c
        LEFT JOIN LATERAL (SELECT sum(t.amount_minor) AS amount FROM ledger_transfer t
            WHERE t.site_id = c.site_id AND t.entry_id = c.entry_id AND t.debit_account_id = c.account_id) t ON true
        WHERE t.amount IS DISTINCT FROM c.amount""",
    "release_unbooked": """
        SELECT r.site_id, 'entry ' || r.entry_id, 'releases ' || r.amount || ', booked ' || coalesce(t.amount, 0)
        FROM (SELECT site_id, entry_id, sum(amount_minor) AS amount FROM billing_release
              WHERE entry_id IS NOT NULL GROUP BY 1, 2) r
        LEFT JOIN LATERAL (SELECT sum(t.amount_minor) AS amount FROM ledger_transfer t
            WHERE t.site_id = r.site_id AND t.entry_id = r.entry_id) t ON true
        WHERE t.amount IS DISTINCT FROM r.amount""",
    "money": """
        SELECT coalesce(m.site_id, p.site_id), 'account ' || coalesce(m.key, p.key),
            'books ' || coalesce(m.moved, 0) || ', payments ' || coalesce(p.paid, 0)
        FROM (SELECT a.site_id, a.key,
                  sum(CASE WHEN t.debit_account_id = a.id THEN t.amount_minor ELSE -t.amount_minor END) AS moved
              FROM ledger_account a JOIN ledger_transfer t
                  ON t.site_id = a.site_id AND a.id IN (t.debit_account_id, t.credit_account_id)
              JOIN ledger_entry e ON e.id = t.entry_id AND e.kind NOT IN ('float', 'over_short', 'hand_over')
              WHERE a.kind IN ('cash', 'clearing') GROUP BY a.site_id, a.key) m
        FULL JOIN (SELECT site_id, CASE WHEN tender = 'cash'
                      THEN 'cash:till:' || till_id || ':shift:' || coalesce(shift_id, 0)
                      ELSE 'clearing:' || tender END AS key, sum(amount_minor) AS paid
              FROM payments_payment WHERE state = 'confirmed' GROUP BY 1, 2) p
            ON p.site_id = m.site_id AND p.key = m.key
        WHERE coalesce(m.moved, 0) <> coalesce(p.paid, 0)""",
    "drawer_not_empty": """
        SELECT b.site_id, b.key, 'handed over, and the books still have ' || b.booked || ' in it'
        FROM vending_shift s JOIN vending_till t ON t.id = s.till_id
        JOIN balance b ON b.site_id = t.site_id AND b.key = 'cash:till:' || t.id || ':shift:' || s.id
        WHERE s.closed_at IS NOT NULL AND b.booked <> 0""",
}

_BALANCE: LiteralString = """
WITH balance AS (
    SELECT a.id, a.site_id, a.key,
        coalesce(sum(CASE WHEN t.debit_account_id = a.id THEN t.amount_minor ELSE -t.amount_minor END), 0)::bigint
            AS booked
    FROM ledger_account a
    LEFT JOIN ledger_transfer t ON t.site_id = a.site_id AND a.id IN (t.debit_account_id, t.credit_account_id)
    GROUP BY a.id, a.site_id, a.key)
"""


def audit_books(site_ids: Sequence[int] | None = None) -> list[Finding]:
    """Everything that does not agree, at most MOST_PER_CHECK of a kind; empty when all is well. None: all sites."""
    sites = None if site_ids is None else list(site_ids)
    parts = [
        f"(SELECT '{name}', f.* FROM ({sql}) AS f (site_id, subject, seen)"
        f" WHERE %s::bigint[] IS NULL OR f.site_id = ANY (%s::bigint[]) ORDER BY 1, 2, 3 LIMIT {MOST_PER_CHECK})"
        for name, sql in CHECKS.items()
    ]
    with connection.cursor() as cursor:
        cursor.execute(_BALANCE + " UNION ALL ".join(parts), [sites, sites] * len(parts))
        rows = cursor.fetchall()
    return [Finding(check=check, site_id=site, subject=subject, seen=seen) for check, site, subject, seen in rows]
