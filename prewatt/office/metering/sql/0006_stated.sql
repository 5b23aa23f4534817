-- A reading that a person states: of a meter that is taken down, or of the one that is put up in its place. It is good
-- by his word, whatever was polled since under the same address. False: the circuit has a reading of that very moment.
CREATE FUNCTION metering_state(
    p_site bigint, p_circuit bigint, p_at timestamptz, p_energy bigint, p_balance bigint, p_count integer
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE v_before bigint; v_day date;
BEGIN
    SELECT (p_at AT TIME ZONE timezone)::date INTO v_day FROM estate_site WHERE id = p_site;
    SELECT energy_wh INTO v_before FROM metering_reading
    WHERE site_id = p_site AND circuit_id = p_circuit AND at < p_at AND quality = 0 AND energy_wh IS NOT NULL
    ORDER BY at DESC LIMIT 1;
    INSERT INTO metering_reading (site_id, circuit_id, at, full_read, source, quality, energy_wh, balance, purchase_count)
    VALUES (p_site, p_circuit, p_at, true, 5, 0, p_energy, p_balance, p_count)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN RETURN false; END IF;
    INSERT INTO metering_daily (site_id, circuit_id, day, used_wh, last_energy_wh, last_balance)
    VALUES (p_site, p_circuit, v_day, greatest(0, p_energy - coalesce(v_before, p_energy)), p_energy, p_balance)
    ON CONFLICT (site_id, circuit_id, day) DO UPDATE SET used_wh = metering_daily.used_wh + excluded.used_wh,
        last_energy_wh = excluded.last_energy_wh,
        last_balance = coalesce(excluded.last_balance, metering_daily.last_balance);
    -- what a person states ends a doubt
    INSERT INTO metering_latest AS t (site_id, circuit_id, at, full_at, energy_wh, balance, purchase_count, status, energy_at)
    VALUES (p_site, p_circuit, p_at, p_at, p_energy, p_balance, p_count, 0, p_at)
    ON CONFLICT (site_id, circuit_id) DO UPDATE SET at = excluded.at, full_at = excluded.full_at,
        energy_wh = excluded.energy_wh, energy_at = excluded.energy_at, mark = NULL, still_ws = 0, sure_at = NULL,
        sure_wh = NULL, balance = coalesce(excluded.balance, t.balance),
        purchase_count = coalesce(excluded.purchase_count, t.purchase_count)
    WHERE excluded.at > t.at;
    RETURN true;
END $$;
