-- A circuit that becomes server-held is polled otherwise: its head-end fetches the plan again.
CREATE FUNCTION metering_replan_server_held() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE estate_gateway g SET revision = g.revision + 1
    FROM estate_circuit c JOIN estate_meter m ON m.id = c.meter_id JOIN estate_line l ON l.id = m.line_id
    WHERE c.id = NEW.circuit_id AND g.id = l.gateway_id;
    RETURN NULL;
END $$;

CREATE TRIGGER replan_server_held AFTER INSERT ON estate_supplypoint
    FOR EACH ROW WHEN (NEW.custody = 'server') EXECUTE FUNCTION metering_replan_server_held();
