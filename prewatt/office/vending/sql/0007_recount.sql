-- After a restore: the meters went on counting. Each meter-held purse is read once before anything is ordered of it;
-- where it differs from the books a person is asked, and nothing is overwritten. See docs/algorithms/backup.md.
CREATE TABLE vending_recount (
    circuit_id bigint PRIMARY KEY,
    site_id bigint NOT NULL,
    since timestamptz NOT NULL,              -- of the restore
    state text NOT NULL CHECK (state IN ('waiting', 'counted', 'agreed', 'disputed', 'settled')),
    code text NOT NULL DEFAULT '',           -- why disputed
    books_count integer NOT NULL,            -- as restored
    books_balance bigint,
    books_past_zero bigint,
    books_energy_wh bigint,
    books_delivery_id bigint,                -- open when the backup was taken: the meter may have had it
    read_at timestamptz,
    read_count integer,
    read_balance bigint,
    settled_by text NOT NULL DEFAULT '',
    settled_at timestamptz,
    reason text NOT NULL DEFAULT ''
);

-- Every circuit that holds its own credit waits for its reading; gives how many.
CREATE FUNCTION vending_recount_begin(p_at timestamptz) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE v_count integer;
BEGIN
    DELETE FROM metering_credithold;  -- of an earlier restore; what it left open is open again below
    DELETE FROM vending_recount;
    INSERT INTO vending_recount (circuit_id, site_id, since, state, books_count, books_balance, books_past_zero,
        books_energy_wh, books_delivery_id)
    SELECT cc.circuit_id, cc.site_id, p_at, 'waiting', cc.purchase_count,
        CASE WHEN l.purchase_count = cc.purchase_count THEN l.balance END, l.use_past_zero, l.energy_wh, d.id
    FROM vending_circuitcredit cc
    LEFT JOIN metering_latest l ON l.site_id = cc.site_id AND l.circuit_id = cc.circuit_id
    LEFT JOIN vending_delivery d ON d.circuit_id = cc.circuit_id
        AND d.state IN ('waiting', 'sent', 'unknown', 'disputed')
    WHERE EXISTS (SELECT FROM estate_supplypoint sp WHERE sp.circuit_id = cc.circuit_id AND sp.custody = 'meter'
                  AND sp.carrier = 'network' AND sp.state IN ('open', 'closing'));
    GET DIAGNOSTICS v_count = ROW_COUNT;
    INSERT INTO metering_credithold (circuit_id, site_id, since) SELECT circuit_id, site_id, since FROM vending_recount;
    RETURN v_count;
END $$;

-- Looks at what was read since; gives how many circuits were decided. A count of ours agrees, and so does the next one
-- where the order that explains it was open in the backup: its conversation reads the witness before it writes. Any
-- other count is disputed, with the order that waits, if there is one. A balance that rose without an order is
-- disputed too, and so is one that fell by more than was used (p_tolerance_wh and a fiftieth allowed: the two are not
-- read at once).
CREATE FUNCTION vending_recount_look(p_at timestamptz, p_limit integer, p_tolerance_wh bigint) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE r record; d vending_delivery; v_count integer; v_code text; v_state text; v_done integer := 0;
BEGIN
    FOR r IN
        SELECT rc.*, l.at AS l_at, l.full_at, l.purchase_count, l.balance, l.use_past_zero, l.energy_wh,
            -- of a purse in money: the dearest price it can have drained by, in minor units per Wh
            coalesce((SELECT CASE sp.credit_unit WHEN 'Wh' THEN 1
                          ELSE max(greatest(v.price, pp.price)) * ('1e' || co.exponent)::numeric / 1000 END
                      FROM estate_supplypoint sp
                      JOIN estate_site s ON s.id = rc.site_id JOIN estate_company co ON co.id = s.company_id
                      LEFT JOIN vending_purseprice pp ON pp.supply_point_id = sp.id
                      LEFT JOIN estate_planassignment a ON a.supply_point_id = sp.id
                      LEFT JOIN estate_planversion v ON v.plan_id = a.plan_id
                      WHERE sp.circuit_id = rc.circuit_id AND sp.custody = 'meter' AND sp.state IN ('open', 'closing')
                      GROUP BY sp.id, sp.credit_unit, co.exponent LIMIT 1), 1) AS wh_costs
        FROM vending_recount rc JOIN metering_latest l ON l.site_id = rc.site_id AND l.circuit_id = rc.circuit_id
        WHERE rc.state IN ('waiting', 'counted', 'disputed') AND l.at > rc.since AND l.purchase_count IS NOT NULL
          AND (rc.state = 'waiting' OR rc.state = 'counted' AND l.full_at > rc.since
               OR rc.state = 'disputed' AND EXISTS (SELECT FROM vending_delivery o WHERE o.circuit_id = rc.circuit_id
                   AND o.state IN ('waiting', 'sent', 'unknown')
                   AND EXISTS (SELECT FROM metering_credithold h WHERE h.circuit_id = rc.circuit_id)))
        ORDER BY rc.circuit_id LIMIT p_limit
    LOOP
        SELECT purchase_count INTO v_count FROM vending_circuitcredit WHERE circuit_id = r.circuit_id FOR NO KEY UPDATE;
        SELECT * INTO d FROM vending_delivery WHERE circuit_id = r.circuit_id
            AND state IN ('waiting', 'sent', 'unknown', 'disputed') FOR NO KEY UPDATE;
        v_code := CASE
            WHEN r.state = 'disputed' THEN r.code
            WHEN r.state = 'counted' THEN ''
            WHEN r.purchase_count = v_count THEN ''
            WHEN r.purchase_count = v_count + 1 AND d.id = r.books_delivery_id THEN ''
            WHEN r.purchase_count > v_count THEN 'count_higher' ELSE 'count_lower' END;
        -- a balance says something only where no order came between
        IF v_code = '' AND r.purchase_count = r.books_count AND r.balance > r.books_balance THEN
            v_code := 'balance_higher';
        ELSIF v_code = '' AND r.purchase_count = r.books_count AND r.full_at > r.since
              AND (r.books_balance - coalesce(r.books_past_zero, 0)) - (r.balance - coalesce(r.use_past_zero, 0))
                  > ((r.energy_wh - r.books_energy_wh) * 51 / 50 + p_tolerance_wh) * r.wh_costs THEN
            v_code := 'balance_lower';
        END IF;
        v_state := CASE WHEN v_code <> '' THEN 'disputed'
            WHEN r.purchase_count = r.books_count AND NOT coalesce(r.full_at > r.since, false)
                THEN 'counted'
            ELSE 'agreed' END;
        UPDATE vending_recount SET state = v_state, code = v_code, read_at = r.l_at, read_count = r.purchase_count,
            read_balance = r.balance WHERE circuit_id = r.circuit_id;
        IF v_code NOT IN ('count_higher', 'count_lower') THEN
            PERFORM metering_release(r.circuit_id);  -- the count is the key of an order, and it is right
        ELSIF d.state IN ('waiting', 'sent', 'unknown') THEN
            PERFORM metering_withdraw(d.job_id, 'count_moved');
            UPDATE vending_delivery SET state = 'disputed', code = 'count_moved', read_count = r.purchase_count,
                next_try_at = NULL WHERE id = d.id;
            PERFORM vending_step(d.id, 'disputed', p_at, 'count_moved', jsonb_build_object(
                'purchase_count', r.purchase_count, 'balance', r.balance, 'restored', r.since));
            PERFORM vending_tell(d);
        END IF;
        v_done := v_done + 1;
    END LOOP;
    RETURN v_done;
END $$;

-- A person has looked: p_count is what the meter shows, and counts from now on. '' or a refusal code.
CREATE FUNCTION vending_recount_settle(p_circuit bigint, p_count integer, p_reason text, p_actor text, p_at timestamptz)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE r vending_recount; v_count integer; v_read integer;
BEGIN
    SELECT purchase_count INTO v_count FROM vending_circuitcredit WHERE circuit_id = p_circuit FOR NO KEY UPDATE;
    SELECT * INTO r FROM vending_recount WHERE circuit_id = p_circuit FOR NO KEY UPDATE;
    IF r.circuit_id IS NULL OR r.state <> 'disputed' THEN RETURN 'recount_not_disputed'; END IF;
    IF EXISTS (SELECT FROM vending_delivery WHERE circuit_id = p_circuit
               AND state IN ('waiting', 'sent', 'unknown', 'disputed')) THEN
        RETURN 'delivery_open';  -- it is settled first, by its own act
    END IF;
    SELECT purchase_count INTO v_read FROM metering_latest WHERE site_id = r.site_id AND circuit_id = p_circuit;
    IF v_read IS DISTINCT FROM p_count THEN RETURN 'count_moved'; END IF;
    UPDATE vending_circuitcredit SET purchase_count = p_count, updated_at = p_at WHERE circuit_id = p_circuit;
    UPDATE vending_recount SET state = 'settled', settled_by = p_actor, settled_at = p_at, reason = p_reason
    WHERE circuit_id = p_circuit;
    PERFORM metering_release(p_circuit);
    PERFORM audit_add(p_at, p_actor, 'vending.recount', r.site_id, 'circuit', p_circuit::text, p_reason,
        jsonb_build_object('purchase_count', v_count, 'balance', r.books_balance),
        jsonb_build_object('purchase_count', p_count, 'balance', r.read_balance, 'code', r.code, 'restored', r.since));
    RETURN '';
END $$;
