-- Running balances of the accounts that hold server-held credit. One row per account, made with it; every act on such
-- an account books through `ledger_book_running`, which keeps the row in the same transaction as the transfers.
-- Lock order: whoever books several entries in one transaction locks all the rows first, with `ledger_lock_running`.

-- The account of server-held credit with this key ("credit:contract:<id>", "credit:supply:<id>"), and its row.
CREATE FUNCTION ledger_credit_account(p_company bigint, p_site bigint, p_key text) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE v_id bigint := ledger_account(p_company, p_site, 'deferred_income', p_key);
BEGIN
    INSERT INTO ledger_runningbalance (account_id, site_id, balance_minor, updated_at)
    VALUES (v_id, p_site, 0, clock_timestamp()) ON CONFLICT (account_id) DO NOTHING;
    RETURN v_id;
END $$;

-- Locks the running rows of these accounts in ascending order, so that two acts cannot wait for each other.
CREATE FUNCTION ledger_lock_running(p_accounts bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM ledger_runningbalance WHERE account_id = ANY (p_accounts) ORDER BY account_id FOR NO KEY UPDATE;
END $$;

-- Adds transfers to the running rows of the accounts that have one. The caller has booked these transfers.
CREATE FUNCTION ledger_run(p_debits bigint[], p_credits bigint[], p_amounts bigint[], p_at timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE ledger_runningbalance b SET balance_minor = b.balance_minor + moved.amount,
        updated_at = greatest(b.updated_at, p_at)
    FROM (SELECT account_id, sum(amount)::bigint AS amount
          FROM (SELECT c AS account_id, a AS amount FROM unnest(p_credits, p_amounts) AS t (c, a)
                UNION ALL SELECT d, -a FROM unnest(p_debits, p_amounts) AS t (d, a)) sides
          GROUP BY account_id) moved
    WHERE b.account_id = moved.account_id AND moved.amount <> 0;
END $$;

-- As `ledger_book`, and keeps the running balances of the accounts that have one. Refuses what `ledger_book` refuses.
CREATE FUNCTION ledger_book_running(
    p_company bigint, p_site bigint, p_key text, p_kind text, p_actor text, p_reason text,
    p_at timestamptz, p_day date, p_reverses bigint,
    p_debits bigint[], p_credits bigint[], p_amounts bigint[]
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE v_id bigint;
BEGIN
    PERFORM ledger_lock_running(p_debits || p_credits);
    v_id := ledger_book(p_company, p_site, p_key, p_kind, p_actor, p_reason, p_at, p_day, p_reverses,
        p_debits, p_credits, p_amounts);
    PERFORM ledger_run(p_debits, p_credits, p_amounts, p_at);
    RETURN v_id;
END $$;
