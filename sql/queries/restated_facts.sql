-- Which fundamentals were restated, how often, and by how much?
SELECT f.field, f.source, count(*) AS facts, count(*) FILTER (WHERE vintages > 1) AS restated,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY abs(last / nullif(first, 0) - 1)) FILTER (WHERE vintages > 1)
           AS median_change
FROM (SELECT field, source, count(*) AS vintages, (array_agg(value ORDER BY known_at))[1] AS first,
             (array_agg(value ORDER BY known_at DESC))[1] AS last
      FROM fundamentals
      GROUP BY company_id, field, unit, period_start, period_end, source) f
GROUP BY f.field, f.source
ORDER BY restated DESC, f.field, f.source;
