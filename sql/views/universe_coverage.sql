-- Of the members of each universe on the last session of each year, how many have a price then, by the latest knowledge.
CREATE VIEW universe_coverage AS
WITH spells AS (
    SELECT DISTINCT ON (universe, company_id, valid_from, source) *
    FROM universe_members ORDER BY universe, company_id, valid_from, source, known_at DESC
), year_ends AS (
    SELECT extract(year FROM session)::integer AS year, max(session) AS session
    FROM sessions
    WHERE session BETWEEN (SELECT min(session) FROM prices) AND (SELECT max(session) FROM prices)
    GROUP BY 1
), members AS (
    SELECT DISTINCT y.year, y.session, s.universe, s.company_id
    FROM year_ends y
    JOIN spells s ON s.valid_from <= y.session AND (s.valid_to IS NULL OR y.session < s.valid_to)
)
SELECT m.universe, m.year, m.session, count(*) AS members, count(p.company_id) AS priced,
       count(p.company_id)::double precision / count(*) AS coverage
FROM members m
LEFT JOIN LATERAL (SELECT p.company_id FROM prices p
                   WHERE p.company_id = m.company_id AND p.session = m.session LIMIT 1) p ON true
GROUP BY m.universe, m.year, m.session;
