-- Takes what was copied into the session's table `incoming`: judges it, appends readings, notes changes
-- of supply, overwrites the latest row, adds up the day, tells the live pages. One call per batch.
-- What is thought of a reading is defined in core/meters/judging.py; this is the same for many at once.

CREATE FUNCTION metering_incoming() RETURNS void LANGUAGE sql AS $$
    CREATE TEMP TABLE IF NOT EXISTS incoming (
        site_id bigint, circuit_id bigint, gateway_id bigint, epoch bigint, at timestamptz, full_read boolean,
        source smallint, energy_wh bigint, power_w integer, balance bigint, purchase_count integer,
        last_order_kind smallint, last_order_amount bigint, purchased_total bigint, use_past_zero bigint,
        relay smallint, status integer, rates_wh bigint[], voltage_mv integer[], current_ma integer[]
    ) ON COMMIT DELETE ROWS;
$$;

-- Where the counter of a circuit begins anew, Wh as kept. p_displays: of each profile the Wh on its display and whether
-- the CT ratio multiplies them.
CREATE FUNCTION metering_end_wh(p_circuit bigint, p_displays jsonb) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT (d.said->>0)::bigint * CASE WHEN (d.said->>1)::boolean THEN m.ct_ratio ELSE 1 END
    FROM estate_circuit c JOIN estate_meter m ON m.id = c.meter_id
    CROSS JOIN LATERAL (SELECT p_displays->m.profile AS said) d
    WHERE c.id = p_circuit;
$$;

-- What one step of a circuit's counter is multiplied by.
CREATE FUNCTION metering_ratio(p_circuit bigint) RETURNS integer LANGUAGE sql STABLE AS $$
    SELECT m.ct_ratio FROM estate_circuit c JOIN estate_meter m ON m.id = c.meter_id WHERE c.id = p_circuit;
$$;

-- The most that a supply point can have used in a time: 2 MW, and a kWh for rounding.
CREATE FUNCTION metering_most_wh(p_for interval) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT 1000 + 2000000 * greatest(0, floor(extract(epoch FROM p_for))::bigint) / 3600;
$$;

-- Judges what is in `incoming`, one row of a circuit at most, into `judged`. way: 9 against the energy before it,
-- 0 nothing to compare, 3 late or doubled, 4 from the future. step: 0 goes on, 10 back from a doubt, else its mark.
CREATE FUNCTION metering_judge(p_displays jsonb, p_now timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    CREATE TEMP TABLE IF NOT EXISTS judged (
        site_id bigint, circuit_id bigint, at timestamptz, full_read boolean, source smallint, energy_wh bigint,
        power_w integer, balance bigint, purchase_count integer, last_order_kind smallint, last_order_amount bigint,
        purchased_total bigint, use_past_zero bigint, relay smallint, status integer, rates_wh bigint[],
        voltage_mv integer[], current_ma integer[],
        l_at timestamptz, l_wh bigint, l_relay smallint, l_status integer,
        way smallint, quality smallint, mark smallint, used_wh bigint, still_ws bigint, sure_at timestamptz, sure_wh bigint,
        back boolean
    ) ON COMMIT DELETE ROWS;
    DELETE FROM judged;
    INSERT INTO judged
    SELECT i.site_id, i.circuit_id, i.at, i.full_read, i.source, i.energy_wh, i.power_w, i.balance, i.purchase_count,
        i.last_order_kind, i.last_order_amount, i.purchased_total, i.use_past_zero, i.relay, i.status, i.rates_wh,
        i.voltage_mv, i.current_ma, l.at, l.energy_wh, l.relay, l.status, w.way,
        CASE w.way WHEN 9 THEN CASE WHEN s.step IN (1, 2) THEN s.step ELSE 0 END
            WHEN 3 THEN CASE WHEN i.energy_wh IS NULL OR l.energy_wh IS NULL THEN 0 ELSE 3 END
            WHEN 4 THEN CASE WHEN i.energy_wh IS NULL THEN 0 ELSE 4 END ELSE 0 END,
        CASE w.way WHEN 9 THEN CASE
                WHEN s.step IN (1, 2, 5) THEN s.step
                WHEN t.still_ws >= 18000000 AND t.still_ws / (18000000::bigint * metering_ratio(i.circuit_id))
                    > l.still_ws / (18000000::bigint * metering_ratio(i.circuit_id)) THEN 6
                WHEN i.at - w.since > interval '2 h' THEN 7 END
            WHEN 3 THEN CASE WHEN i.energy_wh IS NOT NULL AND l.energy_wh IS NOT NULL THEN 3 END
            WHEN 4 THEN CASE WHEN i.energy_wh IS NOT NULL THEN 4 END END,
        CASE WHEN w.way = 9 AND s.step NOT IN (1, 2) THEN i.energy_wh
            - CASE s.step WHEN 10 THEN l.sure_wh WHEN 5 THEN l.energy_wh - w.end_wh ELSE l.energy_wh END END,
        CASE WHEN w.way = 9 THEN t.still_ws WHEN w.way = 0 AND i.energy_wh IS NOT NULL THEN 0 ELSE coalesce(l.still_ws, 0) END,
        CASE WHEN w.way <> 9 THEN l.sure_at WHEN s.step = 10 THEN NULL
            WHEN s.step IN (1, 2) AND l.sure_at IS NULL THEN w.since ELSE l.sure_at END,
        CASE WHEN w.way <> 9 THEN l.sure_wh WHEN s.step = 10 THEN NULL
            WHEN s.step IN (1, 2) AND l.sure_at IS NULL THEN l.energy_wh ELSE l.sure_wh END,
        s.step = 10
    FROM incoming i LEFT JOIN metering_latest l USING (site_id, circuit_id)
    CROSS JOIN LATERAL (
        SELECT CASE WHEN i.at > p_now + interval '5 min' THEN 4 WHEN i.at <= l.at AND l.at <= p_now + interval '5 s' THEN 3
                WHEN i.energy_wh IS NULL OR l.energy_wh IS NULL THEN 0 ELSE 9 END AS way,
            coalesce(l.energy_at, l.at) AS since,
            CASE WHEN i.energy_wh < l.energy_wh THEN metering_end_wh(i.circuit_id, p_displays) END AS end_wh
        OFFSET 0) w
    CROSS JOIN LATERAL (
        SELECT CASE WHEN w.way <> 9 THEN 0
            WHEN l.sure_wh IS NOT NULL AND i.energy_wh >= l.sure_wh AND (l.energy_wh < l.sure_wh OR i.energy_wh < l.energy_wh)
                AND i.energy_wh - l.sure_wh <= metering_most_wh(i.at - l.sure_at) THEN 10
            WHEN i.energy_wh < l.energy_wh THEN CASE WHEN l.energy_wh < w.end_wh AND i.energy_wh + w.end_wh - l.energy_wh
                <= least(w.end_wh / 10, metering_most_wh(i.at - w.since)) THEN 5 ELSE 1 END
            WHEN i.energy_wh - l.energy_wh > 1000 AND i.energy_wh - l.energy_wh > metering_most_wh(i.at - w.since) THEN 2
            ELSE 0 END AS step
        OFFSET 0) s
    CROSS JOIN LATERAL (
        SELECT CASE WHEN i.energy_wh = l.energy_wh THEN l.still_ws
            + CASE WHEN i.at - w.since <= interval '2 h' AND i.power_w > 0 AND l.power_w > 0
                THEN least(i.power_w, l.power_w) * greatest(0, floor(extract(epoch FROM i.at - w.since))::bigint) ELSE 0 END
            ELSE 0 END AS still_ws
        OFFSET 0) t;
END $$;

-- Takes what is in `incoming`, one row of a circuit at most.
CREATE FUNCTION metering_absorb_each(p_causes text[], p_displays jsonb) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE v_count integer; v_site record; v_now timestamptz := clock_timestamp();
BEGIN
    PERFORM metering_judge(p_displays, v_now);
    INSERT INTO metering_reading (site_id, circuit_id, at, full_read, source, quality, mark, energy_wh, power_w, balance,
        purchase_count, relay, status, rates_wh, voltage_mv, current_ma)
    SELECT site_id, circuit_id, at, full_read, source, quality, mark, energy_wh, power_w, balance,
        purchase_count, relay, status, rates_wh, voltage_mv, current_ma FROM judged
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS v_count = ROW_COUNT;

    -- the counter is back: an error that was told more than once was good the second time, and is so no longer
    IF EXISTS (SELECT FROM judged WHERE back) THEN
        UPDATE metering_reading m SET quality = CASE WHEN m.energy_wh < l.sure_wh THEN 1 ELSE 2 END,
            mark = CASE WHEN m.energy_wh < l.sure_wh THEN 1 ELSE 2 END
        FROM judged n JOIN metering_latest l ON l.site_id = n.site_id AND l.circuit_id = n.circuit_id
        WHERE n.back AND m.site_id = n.site_id AND m.circuit_id = n.circuit_id AND m.at > l.sure_at AND m.at < n.at
          AND m.quality = 0 AND m.energy_wh NOT BETWEEN l.sure_wh AND n.energy_wh;
    END IF;

    -- supply that changed: relay against the latest row, the cause from the status bits
    INSERT INTO metering_supplyevent (site_id, circuit_id, kind, cause, at, balance, power_w)
    SELECT n.site_id, n.circuit_id, CASE n.relay WHEN 0 THEN 'opened' ELSE 'closed' END,
        coalesce((SELECT p_causes[b + 1] FROM generate_series(0, cardinality(p_causes) - 1) b
                  WHERE n.relay = 0 AND n.status & (1 << b) <> 0
                    AND p_causes[b + 1] IN ('credit_trip', 'warning_trip', 'overload_trip', 'malicious_load_trip',
                                            'hand_opened', 'command_trip') LIMIT 1), ''),
        n.at, n.balance, n.power_w
    FROM judged n WHERE n.relay <> n.l_relay AND n.at > n.l_at;

    -- nothing was read for so long that a day ended meanwhile: what the meter froze then is asked for, and nothing is
    -- charged before that was tried
    INSERT INTO metering_gap (site_id, circuit_id, from_at, to_at, before_wh, state, tries, freezes, due_at, waits_until)
    SELECT n.site_id, n.circuit_id, n.l_at, n.at, n.l_wh, 'open', 0, 0, n.at, n.at + interval '10 min'
    FROM judged n JOIN estate_site s ON s.id = n.site_id
    WHERE n.at - n.l_at > interval '2 h' AND n.l_wh IS NOT NULL AND n.way <> 4
      AND (n.at AT TIME ZONE s.timezone)::date > (n.l_at AT TIME ZONE s.timezone)::date
    ON CONFLICT DO NOTHING;

    INSERT INTO metering_daily (site_id, circuit_id, day, used_wh, rates_wh, last_energy_wh, last_balance)
    SELECT n.site_id, n.circuit_id, (n.at AT TIME ZONE s.timezone)::date, coalesce(n.used_wh, 0), n.rates_wh, n.energy_wh,
        n.balance
    FROM judged n JOIN estate_site s ON s.id = n.site_id
    WHERE n.energy_wh IS NOT NULL AND n.way IN (0, 9) AND n.quality <> 2
    ON CONFLICT (site_id, circuit_id, day) DO UPDATE SET
        used_wh = metering_daily.used_wh + excluded.used_wh,
        rates_wh = coalesce(excluded.rates_wh, metering_daily.rates_wh),
        last_energy_wh = excluded.last_energy_wh,
        last_balance = coalesce(excluded.last_balance, metering_daily.last_balance);

    -- a row from a future that did not happen (the host's clock was set back) does not block; its energy is no base
    INSERT INTO metering_latest AS t (site_id, circuit_id, at, full_at, energy_wh, power_w, balance, purchase_count,
        last_order_kind, last_order_amount, purchased_total, use_past_zero, relay, status, relay_at,
        rates_wh, voltage_mv, current_ma, energy_at, mark, still_ws, sure_at, sure_wh)
    SELECT n.site_id, n.circuit_id, n.at, CASE WHEN n.full_read THEN n.at END,
        CASE WHEN n.way <> 4 THEN n.energy_wh END, n.power_w, n.balance, n.purchase_count,
        n.last_order_kind, n.last_order_amount, n.purchased_total, n.use_past_zero, n.relay,
        coalesce(n.status, n.l_status, 0),  -- the old status stands where none was read
        CASE WHEN n.relay IS NOT NULL THEN n.at END, n.rates_wh, n.voltage_mv, n.current_ma,
        CASE WHEN n.way <> 4 AND n.energy_wh IS NOT NULL THEN n.at END, n.mark, n.still_ws, n.sure_at, n.sure_wh
    FROM judged n WHERE n.way <> 3
    ON CONFLICT (site_id, circuit_id) DO UPDATE SET
        at = excluded.at, full_at = coalesce(excluded.full_at, t.full_at),
        energy_wh = coalesce(excluded.energy_wh, t.energy_wh),
        power_w = coalesce(excluded.power_w, t.power_w),
        balance = coalesce(excluded.balance, t.balance),
        purchase_count = coalesce(excluded.purchase_count, t.purchase_count),
        last_order_kind = coalesce(excluded.last_order_kind, t.last_order_kind),
        last_order_amount = coalesce(excluded.last_order_amount, t.last_order_amount),
        purchased_total = coalesce(excluded.purchased_total, t.purchased_total),
        use_past_zero = coalesce(excluded.use_past_zero, t.use_past_zero),
        relay_at = CASE WHEN excluded.relay IS DISTINCT FROM t.relay AND excluded.relay IS NOT NULL
                   THEN excluded.at ELSE t.relay_at END,
        relay = coalesce(excluded.relay, t.relay),
        status = excluded.status,
        rates_wh = coalesce(excluded.rates_wh, t.rates_wh),
        voltage_mv = coalesce(excluded.voltage_mv, t.voltage_mv),
        current_ma = coalesce(excluded.current_ma, t.current_ma),
        energy_at = coalesce(excluded.energy_at, t.energy_at),
        mark = CASE WHEN excluded.energy_at IS NULL THEN t.mark ELSE excluded.mark END,
        still_ws = excluded.still_ws,
        -- a doubt that a person ended meanwhile does not come back: a new one begins where the counter stands now
        sure_at = CASE WHEN t.sure_at IS NOT NULL OR excluded.sure_at = coalesce(t.energy_at, t.at) THEN excluded.sure_at END,
        sure_wh = CASE WHEN t.sure_at IS NOT NULL OR excluded.sure_at = coalesce(t.energy_at, t.at) THEN excluded.sure_wh END;

    FOR v_site IN
        SELECT site_id, json_agg(circuit_id) AS ids
        FROM (SELECT site_id, circuit_id, row_number() OVER (PARTITION BY site_id) / 400 AS part FROM judged) q
        GROUP BY site_id, part
    LOOP
        PERFORM pg_notify('prewatt_live', json_build_object('site', v_site.site_id, 'circuits', v_site.ids)::text);
    END LOOP;
    RETURN v_count;
END $$;

-- p_causes: StatusBit names by bit, to name the cause of an opening. p_displays: as metering_end_wh.
CREATE FUNCTION metering_absorb(p_causes text[], p_displays jsonb DEFAULT '{}') RETURNS integer LANGUAGE plpgsql AS $$
DECLARE v_count integer; v_turn integer := 1;
BEGIN
    -- fencing: rows of a gateway whose epoch has moved on are not believed
    DELETE FROM incoming i WHERE i.gateway_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM metering_gatewaylease l WHERE l.gateway_id = i.gateway_id AND l.epoch = i.epoch);

    -- what is thought of a reading depends on the one before it: where a circuit has several, they take turns
    IF (SELECT count(*) > count(DISTINCT circuit_id) FROM incoming) THEN
        CREATE TEMP TABLE IF NOT EXISTS incoming_later (LIKE incoming, turn integer) ON COMMIT DELETE ROWS;
        DELETE FROM incoming_later;
        WITH ranked AS (
            SELECT ctid AS place, row_number() OVER (PARTITION BY site_id, circuit_id ORDER BY at) AS turn FROM incoming
        ), moved AS (DELETE FROM incoming i USING ranked r WHERE i.ctid = r.place AND r.turn > 1 RETURNING i.*, r.turn)
        INSERT INTO incoming_later SELECT * FROM moved;
        v_count := metering_absorb_each(p_causes, p_displays);
        LOOP
            v_turn := v_turn + 1;
            DELETE FROM incoming;
            INSERT INTO incoming SELECT site_id, circuit_id, gateway_id, epoch, at, full_read, source, energy_wh, power_w,
                balance, purchase_count, last_order_kind, last_order_amount, purchased_total, use_past_zero, relay, status,
                rates_wh, voltage_mv, current_ma FROM incoming_later WHERE turn = v_turn;
            EXIT WHEN NOT FOUND;
            v_count := v_count + metering_absorb_each(p_causes, p_displays);
        END LOOP;
        RETURN v_count;
    END IF;
    RETURN metering_absorb_each(p_causes, p_displays);
END $$;
