-- The books. A transfer moves a positive amount from the credited to the debited account, so an
-- unbalanced entry cannot be written down. Nothing here is ever changed: corrections are entries.

CREATE TABLE ledger_transfer (
    site_id bigint NOT NULL,
    entry_id bigint NOT NULL,
    line smallint NOT NULL,              -- 1, 2, ... within the entry
    debit_account_id bigint NOT NULL,
    credit_account_id bigint NOT NULL,
    amount_minor bigint NOT NULL,
    PRIMARY KEY (site_id, entry_id, line),
    CONSTRAINT transfer_positive CHECK (amount_minor > 0),
    CONSTRAINT transfer_two_accounts CHECK (debit_account_id <> credit_account_id)
);
-- a drawer is added up at hand-over, from both of its sides
CREATE INDEX transfer_debit ON ledger_transfer (site_id, debit_account_id);
CREATE INDEX transfer_credit ON ledger_transfer (site_id, credit_account_id);

-- The trigger of every append-only table. Statement level: also an UPDATE that would hit no row is refused.
CREATE FUNCTION ledger_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'append_only: % on % is refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'PW002';
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entry
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_transfer
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_account
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_closedday
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();

-- The account of a key, made when it is first needed.
CREATE FUNCTION ledger_account(p_company bigint, p_site bigint, p_kind text, p_key text) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE v_id bigint; v_kind text;
BEGIN
    SELECT id, kind INTO v_id, v_kind FROM ledger_account WHERE site_id = p_site AND key = p_key;
    IF v_id IS NULL THEN
        INSERT INTO ledger_account (company_id, site_id, kind, key) VALUES (p_company, p_site, p_kind, p_key)
        ON CONFLICT (site_id, key) DO NOTHING RETURNING id, kind INTO v_id, v_kind;
        IF v_id IS NULL THEN  -- another session made it meanwhile, and has committed
            SELECT id, kind INTO v_id, v_kind FROM ledger_account WHERE site_id = p_site AND key = p_key;
        END IF;
    END IF;
    IF v_kind IS DISTINCT FROM p_kind THEN
        RAISE EXCEPTION 'account_kind_differs' USING ERRCODE = 'PW001', DETAIL = json_build_object('key', p_key)::text;
    END IF;
    RETURN v_id;
END $$;

-- Whether the site's books are closed on a local day.
CREATE FUNCTION ledger_closed(p_site bigint, p_day date) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN  -- not LANGUAGE sql, which is parsed and planned anew in each statement
    RETURN EXISTS (SELECT FROM ledger_closedday WHERE site_id = p_site AND day = p_day);
END $$;

-- Books one entry with its transfers and returns its id. p_day is the site's local day of p_at.
-- Refuses (PW001): entry_key_used, day_closed, entry_empty, entry_unknown, entry_reversed_already.
-- Two calls with one key at once: the second waits for the first and is refused by the unique key.
CREATE FUNCTION ledger_book(
    p_company bigint, p_site bigint, p_key text, p_kind text, p_actor text, p_reason text,
    p_at timestamptz, p_day date, p_reverses bigint,
    p_debits bigint[], p_credits bigint[], p_amounts bigint[]
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE v_id bigint; v_lines integer := cardinality(p_amounts);
BEGIN
    -- a list that is null has no length, and what is unknown refuses nothing
    IF (v_lines > 0 AND cardinality(p_debits) = v_lines AND cardinality(p_credits) = v_lines) IS NOT TRUE THEN
        RAISE EXCEPTION 'entry_empty' USING ERRCODE = 'PW001', DETAIL = json_build_object('key', p_key)::text;
    END IF;
    -- shared with entries, alone with the closing of a day: no entry slips into a day being closed
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('ledger_day', p_site));
    IF EXISTS (SELECT FROM ledger_closedday WHERE site_id = p_site AND day = p_day) THEN
        RAISE EXCEPTION 'day_closed' USING ERRCODE = 'PW001', DETAIL = json_build_object('day', p_day)::text;
    END IF;
    IF p_reverses IS NOT NULL THEN
        PERFORM FROM ledger_entry WHERE id = p_reverses AND site_id = p_site;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'entry_unknown' USING ERRCODE = 'PW001', DETAIL = json_build_object('id', p_reverses)::text;
        END IF;
        PERFORM FROM ledger_entry WHERE reverses_id = p_reverses;
        IF FOUND THEN
            RAISE EXCEPTION 'entry_reversed_already' USING ERRCODE = 'PW001',
                DETAIL = json_build_object('id', p_reverses)::text;
        END IF;
    END IF;
    INSERT INTO ledger_entry (company_id, site_id, key, kind, actor, reason, at, reverses_id)
    VALUES (p_company, p_site, p_key, p_kind, p_actor, p_reason, p_at, p_reverses)
    ON CONFLICT (site_id, key) DO NOTHING RETURNING id INTO v_id;
    IF v_id IS NULL THEN
        RAISE EXCEPTION 'entry_key_used' USING ERRCODE = 'PW001', DETAIL = json_build_object('key', p_key)::text;
    END IF;
    IF v_lines = 1 THEN  -- the common case needs no unnest
        INSERT INTO ledger_transfer (site_id, entry_id, line, debit_account_id, credit_account_id, amount_minor)
        VALUES (p_site, v_id, 1, p_debits[1], p_credits[1], p_amounts[1]);
    ELSE
        INSERT INTO ledger_transfer (site_id, entry_id, line, debit_account_id, credit_account_id, amount_minor)
        SELECT p_site, v_id, n, d, c, a FROM unnest(p_debits, p_credits, p_amounts) WITH ORDINALITY AS t (d, c, a, n);
    END IF;
    RETURN v_id;
END $$;

-- What stands on an account: debits less credits.
CREATE FUNCTION ledger_balance(p_site bigint, p_account bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT (coalesce((SELECT sum(amount_minor) FROM ledger_transfer
                      WHERE site_id = p_site AND debit_account_id = p_account), 0)
          - coalesce((SELECT sum(amount_minor) FROM ledger_transfer
                      WHERE site_id = p_site AND credit_account_id = p_account), 0))::bigint;
$$;
