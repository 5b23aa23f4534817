from typing import Any

from django.db import migrations

from prewatt.office.metering.displays import displays_json
from prewatt.office.sqlfiles import functions_again

_COLUMNS = """
ALTER TABLE metering_reading ADD COLUMN mark smallint;     -- core.meters.judging.CODES; NULL: nothing is said of it
ALTER TABLE metering_latest ADD COLUMN energy_at timestamptz;          -- of energy_wh
ALTER TABLE metering_latest ADD COLUMN mark smallint;                  -- of the reading of energy_at
ALTER TABLE metering_latest ADD COLUMN still_ws bigint NOT NULL DEFAULT 0;  -- by power, since the counter last moved
ALTER TABLE metering_latest ADD COLUMN sure_at timestamptz;            -- in doubt: where the counter stood before it
ALTER TABLE metering_latest ADD COLUMN sure_wh bigint;                 -- fell or leapt
CREATE INDEX metering_reading_marked ON metering_reading (site_id, at) WHERE mark IS NOT NULL;
UPDATE metering_reading SET mark = quality WHERE quality <> 0;
UPDATE metering_latest SET energy_at = coalesce(full_at, at) WHERE energy_wh IS NOT NULL;
"""
# a display that began anew was marked as backward, and a gap only where a day ended in it
_OLD = """
UPDATE metering_reading r SET mark = 5
FROM (
    SELECT m.site_id, m.circuit_id, m.at FROM metering_reading m
    CROSS JOIN LATERAL (
        SELECT b.at, b.energy_wh FROM metering_reading b
        WHERE b.site_id = m.site_id AND b.circuit_id = m.circuit_id AND b.at < m.at AND b.quality = 0
          AND b.energy_wh IS NOT NULL ORDER BY b.at DESC LIMIT 1) b
    CROSS JOIN LATERAL (SELECT metering_end_wh(m.circuit_id, %s::jsonb) AS wh) e
    WHERE m.mark = 1 AND b.energy_wh < e.wh
      AND m.energy_wh + e.wh - b.energy_wh <= least(e.wh / 10, metering_most_wh(m.at - b.at))) x
WHERE r.site_id = x.site_id AND r.circuit_id = x.circuit_id AND r.at = x.at;
"""
_GAPS = """
UPDATE metering_reading r SET mark = CASE x.state WHEN 'filled' THEN 8 ELSE 7 END
FROM (
    SELECT g.site_id, g.circuit_id, g.state, f.at FROM metering_gap g
    CROSS JOIN LATERAL (
        SELECT m.at, m.mark FROM metering_reading m
        WHERE m.site_id = g.site_id AND m.circuit_id = g.circuit_id AND m.at >= g.to_at AND m.source <> 3
          AND m.energy_wh IS NOT NULL ORDER BY m.at LIMIT 1) f
    WHERE f.mark IS NULL) x
WHERE r.site_id = x.site_id AND r.circuit_id = x.circuit_id AND r.at = x.at;
"""


def _old_readings(apps: Any, editor: Any) -> None:
    with editor.connection.cursor() as cursor:
        cursor.execute(_OLD, [displays_json({})])
        cursor.execute(_GAPS)


class Migration(migrations.Migration):
    """What is thought of a reading is kept with it, and what is doubted of a circuit with its latest state."""

    dependencies = [("metering", "0021_prices")]
    operations = [
        migrations.RunSQL(_COLUMNS, migrations.RunSQL.noop),
        functions_again("metering", "0003_absorb", "0006_stated"),
        migrations.RunPython(_old_readings, migrations.RunPython.noop),
    ]
