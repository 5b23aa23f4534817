"""A dead station (通讯子站) is one alarm: all its gateways out of contact at once. What stands behind it is not told
one by one: neither its lines nor its meters, also for a while after the first of them is back."""

# Lines of stations of which every line that the head-end has tried is down, and was when a blackout would be told.
DEAD = """
CREATE TEMP TABLE alarm_dead_line ON COMMIT DROP AS
WITH tried AS (
    SELECT g.site_id, g.station_id, ls.line_id, NOT ls.up AND ls.since < %(dark_line_from)s AS down
    FROM metering_linestate ls
    JOIN estate_line el ON el.id = ls.line_id JOIN estate_gateway g ON g.id = el.gateway_id
    WHERE g.station_id IS NOT NULL
), dead AS (
    SELECT site_id, station_id FROM tried GROUP BY site_id, station_id HAVING bool_and(down)
)
SELECT t.site_id, t.station_id, t.line_id FROM tried t JOIN dead d USING (site_id, station_id)
"""

# One alarm in the place of those of its lines; lines and meters that come back one by one are not called lost at once.
FOLD = """
ALTER TABLE alarm_due ADD COLUMN station_id bigint;
DELETE FROM alarm_due d USING alarm_dead_line x WHERE d.kind = 'line_lost' AND d.line_id = x.line_id;
INSERT INTO alarm_due (site_id, kind, hold, station_id)
SELECT DISTINCT site_id, 'station_lost', false, station_id FROM alarm_dead_line;
UPDATE alarm_due d SET hold = true FROM estate_line el, estate_gateway g
WHERE d.kind = 'line_lost' AND el.id = d.line_id AND g.id = el.gateway_id
    AND EXISTS (SELECT FROM alarms_alarm a WHERE a.kind = 'station_lost' AND a.station_id = g.station_id
                AND (a.cleared_at IS NULL OR a.cleared_at > %(lit_from)s));
UPDATE alarm_due d SET hold = true FROM estate_circuit c, estate_meter m, estate_line el, estate_gateway g
WHERE d.kind = 'meter_lost' AND c.id = d.circuit_id AND m.id = c.meter_id AND el.id = m.line_id AND g.id = el.gateway_id
    AND EXISTS (SELECT FROM alarms_alarm a WHERE a.kind = 'station_lost' AND a.station_id = g.station_id
                AND (a.cleared_at IS NULL OR a.cleared_at > %(lit_from)s))
"""
