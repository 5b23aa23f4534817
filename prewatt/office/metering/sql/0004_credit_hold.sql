-- Circuits whose purse must be read before anything is ordered of it: after a restore the meters have counted on, and
-- an order with an old count may look like one that the meter has had. `metering_claim` gives out no order of theirs.
CREATE TABLE metering_credithold (
    circuit_id bigint PRIMARY KEY,
    site_id bigint NOT NULL,
    since timestamptz NOT NULL
);

-- Takes a held order back for good: the head-end that had it is gone with its machine, and no other got it.
CREATE FUNCTION metering_withdraw(p_job bigint, p_code text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    UPDATE metering_job j SET state = 'dropped', code = p_code, finished_at = clock_timestamp()
    WHERE j.id = p_job AND j.state IN ('queued', 'claimed')
      AND EXISTS (SELECT FROM metering_credithold h WHERE h.circuit_id = j.circuit_id);
    RETURN FOUND;
END $$;

-- The purse was read and agrees, or a person has decided: orders go out again.
CREATE FUNCTION metering_release(p_circuit bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM metering_credithold WHERE circuit_id = p_circuit;
    PERFORM pg_notify('prewatt_jobs', l.gateway_id::text)
    FROM estate_circuit c JOIN estate_meter m ON m.id = c.meter_id JOIN estate_line l ON l.id = m.line_id
    WHERE c.id = p_circuit;
END $$;
