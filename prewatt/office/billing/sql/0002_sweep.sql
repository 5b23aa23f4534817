-- Charging: from the last charged reading to the newest good one that can be true, split where the price changes and at
-- local midnight, for many supply points in one statement. Worked numbers: docs/algorithms/billing.md.
-- Lock order: supply point, progress, (a caller's circuit credit comes before or not at all,) running balances.

CREATE SEQUENCE billing_batch;

-- What a circuit can have used at most in a time, Wh: as metering_absorb, 2 MW and a kWh for rounding.
CREATE FUNCTION billing_most_wh(p_for interval) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
    SELECT 1000 + 2000000 * extract(epoch FROM p_for) / 3600;
$$;

-- A reading as a counter that never rolls over, seen from one that was charged: NULL where it cannot be true.
-- Below the charged one it is a rollover only when that stood in the last tenth of the display.
CREATE FUNCTION billing_unrolled(p_wh bigint, p_charged bigint, p_for interval, p_rollover bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN p_wh >= p_charged AND p_wh - p_charged <= billing_most_wh(p_for) THEN p_wh
        WHEN p_wh < p_charged AND p_wh + p_rollover - p_charged BETWEEN 0 AND least(billing_most_wh(p_for), p_rollover / 10)
        THEN p_wh + p_rollover END;
$$;

-- Whether a good reading stands behind a doubt: the intake saw the counter fall or leap after what was billed, and
-- nobody has said yet what happened (billing.doubts). Until then nothing behind it becomes a charge, however plausible
-- it looks as time goes by.
CREATE FUNCTION billing_doubted(p_at timestamptz, p_billed timestamptz, p_sure timestamptz) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT p_sure IS NOT NULL AND p_sure >= p_billed AND p_at > p_sure;
$$;

-- Opens the supply points among p_ids that have their first good reading; nothing before it is billed. What was read
-- behind a doubt opens none: where the counter is back from an error, all it ever counted would be a charge.
CREATE FUNCTION billing_open(p_ids bigint[], p_at timestamptz) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE r record; v_done integer := 0;
BEGIN
    UPDATE billing_progress p SET valid_from = greatest(p.valid_from, l.at + interval '1 microsecond')
    FROM metering_latest l
    WHERE p.supply_point_id = ANY (p_ids) AND p.charged_at IS NULL AND l.site_id = p.site_id
      AND l.circuit_id = p.circuit_id AND l.sure_at IS NOT NULL AND l.at >= p.valid_from AND l.at <= p_at
      -- one that was read well before the doubt is its opening reading as ever
      AND NOT EXISTS (SELECT FROM metering_reading m WHERE m.site_id = p.site_id AND m.circuit_id = p.circuit_id
          AND m.at >= p.valid_from AND m.at <= l.sure_at AND m.quality = 0 AND m.energy_wh IS NOT NULL);
    FOR r IN
        SELECT p.supply_point_id, p.site_id, p.circuit_id, sp.contract_id, c.number, f.at, f.energy_wh
        FROM billing_progress p
        JOIN estate_supplypoint sp ON sp.id = p.supply_point_id
        JOIN estate_contract c ON c.id = sp.contract_id
        CROSS JOIN LATERAL (
            SELECT m.at, m.energy_wh FROM metering_reading m
            WHERE m.site_id = p.site_id AND m.circuit_id = p.circuit_id AND m.at >= p.valid_from
              AND m.at <= least(p_at, sp.valid_to) AND m.quality = 0 AND m.energy_wh IS NOT NULL
            ORDER BY m.at LIMIT 1) f
        WHERE p.supply_point_id = ANY (p_ids) AND p.charged_at IS NULL
        ORDER BY p.supply_point_id
    LOOP
        UPDATE billing_progress SET charged_at = r.at, charged_wh = r.energy_wh WHERE supply_point_id = r.supply_point_id;
        UPDATE estate_supplypoint SET opening_at = r.at, opening_wh = r.energy_wh,
            state = CASE state WHEN 'opening' THEN 'open' ELSE state END WHERE id = r.supply_point_id;
        UPDATE estate_contract SET state = 'open', opened_at = coalesce(opened_at, r.at)
        WHERE id = r.contract_id AND state = 'opening';
        PERFORM audit_add(p_at, 'system', 'billing.opened', r.site_id, 'contract', r.number, '', NULL,
            jsonb_build_object('supply_point', r.supply_point_id, 'circuit', r.circuit_id, 'opening_at', r.at,
                'opening_wh', r.energy_wh));
        v_done := v_done + 1;
    END LOOP;
    RETURN v_done;
END $$;

-- Finds what is to be charged of the supply points p_ids, into the session's table `due_charge`; all segments of a
-- supply point, also those without energy, in the order of time. Counters are unrolled.
CREATE FUNCTION billing_find(p_ids bigint[], p_at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    CREATE TEMP TABLE IF NOT EXISTS due_charge (
        supply_point_id bigint, site_id bigint, circuit_id bigint, account_id bigint, from_at timestamptz,
        to_at timestamptz, from_wh bigint, to_wh bigint, rollover_wh bigint, plan_version_id bigint, price numeric(12,6),
        amount_minor bigint, carried_after numeric(20,9)
    ) ON COMMIT DELETE ROWS;
    DELETE FROM due_charge;
    INSERT INTO due_charge
    WITH span AS MATERIALIZED (  -- from the last charged reading to the newest that can be true
        SELECT p.supply_point_id, p.site_id, p.circuit_id, p.account_id, p.charged_at AS from_at, p.charged_wh AS from_wh,
            n.at AS to_at, n.wh AS to_wh, p.rollover_wh, p.carried_minor, s.timezone,
            ('1e' || (co.exponent - 3))::numeric AS minor_per_wh
        FROM billing_progress p
        JOIN estate_supplypoint sp ON sp.id = p.supply_point_id
        JOIN estate_site s ON s.id = p.site_id JOIN estate_company co ON co.id = s.company_id
        LEFT JOIN metering_latest l ON l.site_id = p.site_id AND l.circuit_id = p.circuit_id
        CROSS JOIN LATERAL (
            SELECT m.at, billing_unrolled(m.energy_wh, p.charged_wh, m.at - p.charged_at, p.rollover_wh) AS wh
            FROM metering_reading m
            WHERE m.site_id = p.site_id AND m.circuit_id = p.circuit_id AND m.at > p.charged_at
              AND m.at <= least(p_at, sp.valid_to) AND m.quality = 0 AND m.energy_wh IS NOT NULL
              AND billing_unrolled(m.energy_wh, p.charged_wh, m.at - p.charged_at, p.rollover_wh) IS NOT NULL
              AND NOT billing_doubted(m.at, p.charged_at, l.sure_at)
            ORDER BY m.at DESC LIMIT 1) n
        WHERE p.supply_point_id = ANY (p_ids) AND p.charged_at IS NOT NULL
    ), edge AS (
        SELECT x.*, e.at FROM span x CROSS JOIN LATERAL (
            SELECT a.valid_from AS at FROM estate_planassignment a WHERE a.supply_point_id = x.supply_point_id
            UNION SELECT v.valid_from FROM estate_planversion v WHERE v.plan_id IN (
                SELECT a.plan_id FROM estate_planassignment a WHERE a.supply_point_id = x.supply_point_id)
            UNION SELECT d AT TIME ZONE x.timezone
                FROM generate_series(((x.from_at AT TIME ZONE x.timezone)::date + 1)::timestamp,
                    x.to_at AT TIME ZONE x.timezone, interval '1 day') d
        ) e WHERE e.at > x.from_at AND e.at < x.to_at
    ), split AS (
        -- no meter is read at an edge: the two good readings next to it, and linear time between them. Whole Wh, the
        -- rest falls to the later side
        SELECT x.supply_point_id, x.at, CASE WHEN b.wh <= f.wh
            THEN b.wh + div((f.wh - b.wh) * extract(epoch FROM x.at - b.at), extract(epoch FROM f.at - b.at))
            ELSE x.from_wh + div((x.to_wh - x.from_wh) * extract(epoch FROM x.at - x.from_at),
                                 extract(epoch FROM x.to_at - x.from_at)) END::bigint AS wh
        FROM edge x
        CROSS JOIN LATERAL (
            SELECT q.at, q.wh FROM (
                (SELECT m.at, CASE WHEN m.energy_wh < x.from_wh THEN m.energy_wh + x.rollover_wh ELSE m.energy_wh END AS wh
                 FROM metering_reading m
                 WHERE m.site_id = x.site_id AND m.circuit_id = x.circuit_id AND m.at > x.from_at AND m.at <= x.at
                   AND m.quality = 0
                   AND CASE WHEN m.energy_wh < x.from_wh THEN m.energy_wh + x.rollover_wh ELSE m.energy_wh END
                       BETWEEN x.from_wh AND x.to_wh
                 ORDER BY m.at DESC LIMIT 1)
                UNION ALL SELECT x.from_at, x.from_wh) q
            ORDER BY q.at DESC LIMIT 1) b
        CROSS JOIN LATERAL (
            SELECT m.at, CASE WHEN m.energy_wh < x.from_wh THEN m.energy_wh + x.rollover_wh ELSE m.energy_wh END AS wh
            FROM metering_reading m
            WHERE m.site_id = x.site_id AND m.circuit_id = x.circuit_id AND m.at > x.at AND m.at <= x.to_at
              AND m.quality = 0
              AND CASE WHEN m.energy_wh < x.from_wh THEN m.energy_wh + x.rollover_wh ELSE m.energy_wh END
                  BETWEEN x.from_wh AND x.to_wh
            ORDER BY m.at LIMIT 1) f
    ), point AS (
        SELECT supply_point_id, from_at AS at, from_wh AS wh FROM span
        UNION ALL SELECT supply_point_id, at, wh FROM split
        UNION ALL SELECT supply_point_id, to_at, to_wh FROM span
    ), rising AS (  -- a pair of readings that both were wrong must not make an edge fall
        SELECT supply_point_id, at, max(wh) OVER (PARTITION BY supply_point_id ORDER BY at) AS wh FROM point
    ), segment AS (
        SELECT supply_point_id, at AS from_at, wh AS from_wh, lead(at) OVER w AS to_at, lead(wh) OVER w AS to_wh
        FROM rising WINDOW w AS (PARTITION BY supply_point_id ORDER BY at)
    ), rated AS (
        SELECT x.supply_point_id, x.site_id, x.circuit_id, x.account_id, g.from_at, g.to_at, g.from_wh, g.to_wh,
            x.rollover_wh, v.id AS plan_version_id, v.price,
            x.carried_minor + sum((g.to_wh - g.from_wh) * v.price * x.minor_per_wh) OVER w AS used_minor,
            x.carried_minor + sum((g.to_wh - g.from_wh) * v.price * x.minor_per_wh) OVER w
                - (g.to_wh - g.from_wh) * v.price * x.minor_per_wh AS used_before,
            bool_or(v.id IS NULL) OVER (PARTITION BY g.supply_point_id) AS unpriced
        FROM segment g JOIN span x USING (supply_point_id)
        LEFT JOIN LATERAL (
            SELECT v.id, v.price FROM estate_planversion v
            WHERE v.valid_from <= g.from_at AND v.plan_id = (
                SELECT a.plan_id FROM estate_planassignment a
                WHERE a.supply_point_id = g.supply_point_id AND a.valid_from <= g.from_at
                ORDER BY a.valid_from DESC LIMIT 1)
            ORDER BY v.valid_from DESC LIMIT 1) v ON true
        WHERE g.to_at IS NOT NULL
        WINDOW w AS (PARTITION BY g.supply_point_id ORDER BY g.from_at)
    )
    -- whole minor units only; the fraction is carried, so the sum of all amounts is that of the exact values, cut once
    SELECT supply_point_id, site_id, circuit_id, account_id, from_at, to_at, from_wh, to_wh, rollover_wh, plan_version_id,
        price, floor(used_minor) - floor(used_before), used_minor - floor(used_minor)
    FROM rated WHERE NOT unpriced;  -- nothing of it is billed until there is a price for all of it
END $$;

-- Books what is in `due_charge`: one entry of a site for all its accounts, the charges, and how far each is charged.
CREATE FUNCTION billing_book_due(p_at timestamptz) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE r record; v_entry bigint; v_income bigint; v_count integer := 0; v_n integer;
BEGIN
    PERFORM ledger_lock_running(array_agg(DISTINCT account_id)) FROM due_charge WHERE amount_minor > 0;
    FOR r IN
        SELECT s.id AS site_id, s.company_id, (p_at AT TIME ZONE s.timezone)::date AS day, a.accounts, a.amounts
        FROM (SELECT site_id, array_agg(account_id ORDER BY account_id) FILTER (WHERE amount > 0) AS accounts,
                  array_agg(amount ORDER BY account_id) FILTER (WHERE amount > 0) AS amounts
              FROM (SELECT site_id, account_id, sum(amount_minor)::bigint AS amount FROM due_charge GROUP BY 1, 2) x
              GROUP BY site_id) a
        JOIN estate_site s ON s.id = a.site_id ORDER BY s.id
    LOOP
        v_entry := NULL;
        IF r.accounts IS NOT NULL THEN
            v_income := ledger_account(r.company_id, r.site_id, 'income', 'income');
            v_entry := ledger_book_running(r.company_id, r.site_id, 'charge:' || nextval('billing_batch'), 'charge',
                'system', '', p_at, r.day, NULL, r.accounts, array_fill(v_income, ARRAY[cardinality(r.accounts)]),
                r.amounts);
        END IF;
        INSERT INTO billing_charge (site_id, circuit_id, supply_point_id, from_at, to_at, from_wh, to_wh, energy_wh,
            plan_version_id, price, amount_minor, carried_after, entry_id)
        SELECT d.site_id, d.circuit_id, d.supply_point_id, d.from_at, d.to_at, d.from_wh % coalesce(d.rollover_wh, d.from_wh + 1),
            d.to_wh % coalesce(d.rollover_wh, d.to_wh + 1), d.to_wh - d.from_wh, d.plan_version_id, d.price, d.amount_minor,
            d.carried_after, CASE WHEN d.amount_minor > 0 THEN v_entry END
        FROM due_charge d WHERE d.site_id = r.site_id AND d.to_wh > d.from_wh
        ORDER BY d.circuit_id, d.from_at;
        GET DIAGNOSTICS v_n = ROW_COUNT;
        v_count := v_count + v_n;
    END LOOP;
    UPDATE billing_progress p SET charged_at = d.to_at, charged_wh = d.to_wh % coalesce(d.rollover_wh, d.to_wh + 1),
        carried_minor = d.carried_after, held = '', held_at = NULL, held_wh = NULL
    FROM (SELECT DISTINCT ON (supply_point_id) * FROM due_charge ORDER BY supply_point_id, to_at DESC) d
    WHERE p.supply_point_id = d.supply_point_id;
    RETURN v_count;
END $$;

-- Says of which supply points among p_ids the newest good reading cannot be billed, and why.
CREATE FUNCTION billing_hold(p_ids bigint[], p_at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE billing_progress p SET held = CASE
            WHEN billing_doubted(f.at, p.charged_at, f.sure_at) AND f.energy_wh >= p.charged_wh THEN 'jump'
            WHEN billing_unrolled(f.energy_wh, p.charged_wh, f.at - p.charged_at, p.rollover_wh) IS NOT NULL THEN 'unpriced'
            WHEN f.energy_wh < p.charged_wh THEN 'backward' ELSE 'jump' END,
        held_at = f.at, held_wh = f.energy_wh
    FROM billing_progress o CROSS JOIN LATERAL (
        SELECT m.at, m.energy_wh, (SELECT l.sure_at FROM metering_latest l
            WHERE l.site_id = o.site_id AND l.circuit_id = o.circuit_id) AS sure_at
        FROM metering_reading m
        WHERE m.site_id = o.site_id AND m.circuit_id = o.circuit_id AND m.at > o.charged_at AND m.at <= p_at
          AND m.quality = 0 AND m.energy_wh IS NOT NULL
        ORDER BY m.at DESC LIMIT 1) f
    WHERE p.supply_point_id = o.supply_point_id AND o.supply_point_id = ANY (p_ids)
      AND p.held_at IS DISTINCT FROM f.at;
END $$;

-- Charges a batch: supply points with an id above p_after that were read since; last_id NULL when none was left.
-- Rows that another session is charging are skipped: it is doing the same.
CREATE FUNCTION billing_sweep(p_after bigint, p_limit integer, p_at timestamptz, OUT last_id bigint, OUT charged integer)
LANGUAGE plpgsql AS $$
DECLARE v_ids bigint[];
BEGIN
    SELECT array_agg(q.id) INTO v_ids FROM (
        SELECT sp.id FROM billing_progress p
        JOIN estate_supplypoint sp ON sp.id = p.supply_point_id AND sp.state IN ('opening', 'open', 'closing')
        JOIN metering_latest l ON l.site_id = p.site_id AND l.circuit_id = p.circuit_id
            AND (p.charged_at IS NULL OR l.at > p.charged_at)
        WHERE p.supply_point_id > p_after
          AND NOT EXISTS (  -- what its meter froze while nothing was read is on its way
              SELECT FROM metering_gap g WHERE g.circuit_id = p.circuit_id AND g.ended_at IS NULL AND g.waits_until > p_at)
        ORDER BY p.supply_point_id LIMIT p_limit FOR NO KEY UPDATE OF sp, p SKIP LOCKED) q;
    charged := 0;
    IF v_ids IS NULL THEN RETURN; END IF;
    last_id := v_ids[cardinality(v_ids)];
    charged := billing_charge_locked(v_ids, p_at);
END $$;

-- Charges one supply point up to its newest good reading; waits for whoever is charging it. Gives the balance of its
-- account in minor units, NULL where it is not server-held. To be called before anything is booked in a transaction.
CREATE FUNCTION billing_settle(p_supply bigint, p_at timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM estate_supplypoint WHERE id = p_supply FOR NO KEY UPDATE;
    PERFORM FROM billing_progress WHERE supply_point_id = p_supply FOR NO KEY UPDATE;
    IF FOUND THEN
        PERFORM billing_charge_locked(ARRAY[p_supply], p_at);
    END IF;
    RETURN (SELECT b.balance_minor FROM estate_supplypoint sp
            JOIN ledger_runningbalance b ON b.account_id = sp.credit_account_id WHERE sp.id = p_supply);
END $$;

CREATE FUNCTION billing_charge_locked(p_ids bigint[], p_at timestamptz) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE v_charged integer; v_site record;
BEGIN
    PERFORM billing_open(p_ids, p_at);
    PERFORM billing_find(p_ids, p_at);
    v_charged := billing_book_due(p_at);
    PERFORM billing_hold(p_ids, p_at);
    IF v_charged > 0 THEN
        FOR v_site IN
            SELECT site_id, json_agg(circuit_id) AS ids
            FROM (SELECT site_id, circuit_id, row_number() OVER (PARTITION BY site_id) / 400 AS part
                  FROM (SELECT DISTINCT site_id, circuit_id FROM due_charge WHERE to_wh > from_wh) d) q
            GROUP BY site_id, part
        LOOP
            PERFORM pg_notify('prewatt_live', json_build_object('site', v_site.site_id, 'circuits', v_site.ids)::text);
        END LOOP;
    END IF;
    RETURN v_charged;
END $$;
